# SPDX-License-Identifier: MIT
"""Why a guest machine ended is told from what its console says and which of its processes is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amdgpu_hw.guest.ending import ConsoleLog, GuestError, MachineProcesses
from amdgpu_hw.guest.processes import Child

PANIC = "[ 1.0] BUG: kernel NULL pointer dereference\n[ 1.1] Kernel panic - not syncing: Fatal exception\n"
REBOOT = "[ 2.0] reboot: Restarting system\n"
QEMU, GPU, VIRTIOFSD = "QEMU", "the modelled vega10", "virtiofsd for /"
RUNS, ENDS, FAILS, ABOUT_TO = "sleep 100", "true", "exit 7", "sleep 0.2; exit 7"

MakeProcesses = Callable[..., MachineProcesses]


@pytest.fixture
def console(tmp_path: Path) -> ConsoleLog:
    """An empty one, in a directory that is still to be made."""
    log = ConsoleLog(tmp_path / "logs" / "console.log")
    log.begin()
    return log


@pytest.fixture
def processes(tmp_path: Path, console: ConsoleLog) -> Iterator[MakeProcesses]:
    """Machines whose processes do what a shell is told."""
    children: list[Child] = []

    def make(qemu: str, gpu: str = RUNS, virtiofsd: str = RUNS) -> MachineProcesses:
        for name, script in ((QEMU, qemu), (GPU, gpu), (VIRTIOFSD, virtiofsd)):
            child = Child(name, ["sh", "-c", script], tmp_path / f"{len(children)}.log")
            children.append(child)
            if script in (ENDS, FAILS):
                assert child.wait(10)
        return MachineProcesses(children[-3], children[-2:], console)

    yield make
    for child in children:
        child.end()


@pytest.mark.parametrize(
    ("scripts", "said", "why"),
    [
        ((ENDS, RUNS, RUNS), "", "the guest machine was switched off before the command ended"),
        ((FAILS, RUNS, RUNS), "", "QEMU ended with exit status 7"),
        ((FAILS, FAILS, RUNS), "", "the modelled vega10 ended with exit status 7, and the guest with it"),
        ((RUNS, FAILS, RUNS), "", "the modelled vega10 ended with exit status 7;"),
        ((RUNS, RUNS, FAILS), "", "virtiofsd for / ended with exit status 7;"),
        # A guest without the daemon of its files panics: the panic is what the person asked for.
        ((ENDS, RUNS, FAILS), PANIC, "panicked: .*BUG: kernel NULL pointer dereference; .*Kernel panic - not syncing"),
        ((ENDS, RUNS, RUNS), REBOOT, "the guest rebooted"),
    ],
)
def test_the_cause_comes_before_what_follows_from_it(
    processes: MakeProcesses, console: ConsoleLog, scripts: tuple[str, str, str], said: str, why: str
) -> None:
    """One sentence that names the console."""
    console.path.write_text(said)
    with pytest.raises(GuestError, match=rf"^.*{why}.*console is in .*console\.log$"):
        processes(*scripts).check()


def test_a_machine_that_runs_has_not_ended(processes: MakeProcesses, console: ConsoleLog) -> None:
    """Whatever its console says."""
    console.path.write_text(PANIC)
    processes(RUNS).check()


def test_a_closed_port_is_an_end_also_of_a_qemu_that_is_just_about_to(processes: MakeProcesses) -> None:
    """The port closes before the process ends, with whose status the reason comes."""
    with pytest.raises(GuestError, match="QEMU ended with exit status 7"):
        processes(ABOUT_TO).raise_end()


def test_what_an_earlier_kernel_said_is_not_this_ones(console: ConsoleLog) -> None:
    """A restarted guest did not panic because the one before it had."""
    console.path.write_text(PANIC + REBOOT)
    assert console.panic()
    assert console.rebooted()
    console.boots_anew()
    assert not console.panic()
    assert not console.rebooted()
    with console.path.open("a") as log:
        log.write("[ 0.0] Linux\n" + REBOOT)
    assert console.rebooted()
    assert console.last_words() == " (its last line: [ 2.0] reboot: Restarting system)"


def test_a_console_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    """As when the disk is full, or somebody has removed it."""
    log = ConsoleLog(tmp_path / "none")
    assert (log.panic(), log.rebooted(), log.last_words()) == ("", False, "")
