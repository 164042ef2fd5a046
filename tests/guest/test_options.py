# SPDX-License-Identifier: MIT
"""What can be said about a guest machine, and what a command hands on to itself inside one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw import cli, on_guest
from amdgpu_hw.cli.machine_options import add_machine_options
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest import kernels
from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU, GUEST_GPUS, driver_parameters
from amdgpu_hw.guest.session import GuestOptions
from amdgpu_hw.options.guest import GuestChoice, WholeGuestMachine


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[list[str], GuestOptions]]:
    """What would have been run on a guest machine; there is a kernel, and we are in a directory of our own."""
    found: list[tuple[list[str], GuestOptions]] = []

    def run(command: Sequence[str], options: GuestOptions, name: str = "guest", *, needs_gpu: bool = False) -> int:
        assert needs_gpu is (name != "guest")
        found.append((list(command), options))
        return 5

    monkeypatch.setattr(on_guest, "run_on_guest", run)
    monkeypatch.setattr("amdgpu_hw.cli.guest.run_on_guest", run)
    kernel = kernels.GuestKernel(Path("/vmlinuz"), None, "7.3.4+deb13-amd64", "for a test")
    monkeypatch.setattr("amdgpu_hw.options.guest.find_kernel", lambda *_: kernel)
    monkeypatch.chdir(tmp_path)
    return found


def parse(*arguments: str) -> argparse.Namespace:
    """The options of a command."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_machine_options(parser)
    return parser.parse_args(arguments)


def test_guest_alone_is_the_stock_kernel_and_no_guest_is_none() -> None:
    """`--guest` takes a kernel or nothing."""
    assert not GuestChoice.of(parse()).asked
    assert GuestChoice.of(parse("--guest")).guest == kernels.STOCK
    assert GuestChoice.of(parse("--guest", "6.1")).guest == "6.1"


def test_amdgpu_hw_guest_takes_everything(runs: list[tuple[list[str], GuestOptions]]) -> None:
    """And gives back the program's status."""
    words = "guest --gpu vega10 --linux 6.1 --module a.ko --parameter dc=1 --parameter gpu_recovery=0 --accel kvm"
    words += " --memory 4096 --cpus 3 --share /tmp --append nokaslr --qemu=-s --user nobody --console c.log"
    assert cli.main([*words.split(), "--", "vulkaninfo", "--summary"]) == 5
    ((command, options),) = runs
    assert command == ["vulkaninfo", "--summary"]
    assert options == GuestOptions(
        gpus=("vega10",),
        linux="6.1",
        amdgpu=Path("a.ko"),
        parameters={"dc": "1", "gpu_recovery": "0"},
        accelerator="kvm",
        memory_mib=4096,
        processors=3,
        writable=(Path("/tmp"),),
        kernel_arguments=("nokaslr",),
        qemu_arguments=("-s",),
        user="nobody",
        console=Path("c.log"),
    )


@pytest.mark.parametrize(
    "words",
    [
        "--gpu voodoo2",
        "--accel xen",
        "--memory 1",
        "--cpus 0",
        "--parameter nothing",
        "--parameter a=b c",
        '--parameter a="b"',
    ],
)
def test_nonsense_is_refused_before_anything_is_booted(
    runs: list[tuple[list[str], GuestOptions]], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As wrong usage."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["guest", *words.split(" ", 1), "--", "true"])
    assert ended.value.code == 2
    assert runs == []
    assert "usage:" in capsys.readouterr().err


def test_validate_is_done_again_in_the_guest(runs: list[tuple[list[str], GuestOptions]], tmp_path: Path) -> None:
    """Its results here, named after kernel and GPU, the console's log beside them; the rest is handed on."""
    assert cli.main(["validate", "--guest", "7.3", "--gpu", "vega10", "--gate", "vgem", "-k", "B09"]) == 5
    ((command, options),) = runs
    assert command[:4] == [sys.executable, "-m", "amdgpu_hw", "validate"]
    assert command[-2:] == ["-k", "B09"]
    assert "--gate=vgem" in command
    assert not any(word.startswith("--gpu") for word in command)
    (results,) = (word.removeprefix("--results=") for word in command if word.startswith("--results="))
    assert results.startswith("results/validate-guest-vega10-7.3.4+deb13-amd64-")
    assert options.console == Path(results).with_suffix(".console.log")
    assert options.linux == "7.3"
    assert tmp_path / "results" in [path.absolute() for path in options.writable]


@pytest.mark.parametrize("command", ["latency", "overlap"])
def test_measurements_are_done_again_in_the_guest(
    runs: list[tuple[list[str], GuestOptions]], command: str, tmp_path: Path
) -> None:
    """With all their options, and the result where it was asked for."""
    pytest.importorskip("scipy")
    output = tmp_path / "elsewhere" / "x.json"
    assert cli.main([command, "--guest", "--quick", f"--output={output}", "--guest-parameter", "vm_update_mode=3"]) == 5
    ((words, options),) = runs
    assert words[3] == command
    assert {"--quick", f"--output={output}"} <= set(words)
    assert options.parameters == {"vm_update_mode": "3"}
    assert output.parent in options.writable
    assert output.parent.is_dir()


@pytest.mark.parametrize("command", ["list", "info"])
def test_list_and_info_are_done_again_in_the_guest(runs: list[tuple[list[str], GuestOptions]], command: str) -> None:
    """With the GPU that is to be there."""
    assert cli.main([command, "--guest", "--gpu", "vega10"]) == 5
    assert [(words[3:], options.gpus) for words, options in runs] == [([command], ("vega10",))]


@pytest.mark.parametrize("words", ["--mock navi31", "--bug m05_flag_ignored", "--kernel base"])
def test_a_machine_is_a_guest_or_a_mock(
    runs: list[tuple[list[str], GuestOptions]], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both at once is one sentence."""
    assert cli.main(["validate", "--guest", *words.split()]) == 2
    assert runs == []
    assert "a guest or a mock, not both" in capsys.readouterr().err


def test_the_driver_is_told_what_a_modelled_gpu_does_not_have() -> None:
    """What the user says comes last."""
    parameters = driver_parameters([DEFAULT_GPU, DEFAULT_GPU], {"dc": "1", "gpu_recovery": "0"})
    assert (parameters["dpm"], parameters["dc"], parameters["gpu_recovery"]) == ("0", "1", "0")


def test_gpus_that_need_different_drivers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Module parameters are the same for all GPUs of a machine."""
    both: dict[str, Any] = {"a": {"ip_block_mask": "1"}, "b": {"ip_block_mask": "2"}}
    monkeypatch.setattr("amdgpu_hw.guest.modelled_gpu.GUEST_GPUS", both)
    with pytest.raises(HarnessError, match=r"a and b cannot be in one guest machine.*ip_block_mask"):
        driver_parameters(["a", "b"], {})
    assert driver_parameters(["a", "b"], {"ip_block_mask": "3"}) == {"ip_block_mask": "3"}


def test_an_unknown_gpu_is_answered_with_those_there_are() -> None:
    """In one sentence."""
    with pytest.raises(HarnessError, match=f"'navi99'; it can have {', '.join(GUEST_GPUS)}"):
        driver_parameters(["navi99"], {})


def test_every_option_is_told() -> None:
    """No field of the machine is forgotten between the command line and the machine."""
    told = WholeGuestMachine().options()
    assert told == GuestOptions()
