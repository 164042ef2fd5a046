# SPDX-License-Identifier: MIT
"""The command line: what it prints, what it ends with, and one clear sentence for everything that goes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from process_table import ProcessTable

from amdgpu_hw import cli
from amdgpu_hw.cli import validate
from amdgpu_hw.discovery import GpuNode
from amdgpu_hw.errors import NodePermission
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.verdict.machine import ENVIRONMENT
from tests import plain_environment

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "amdgpu_hw"]


def environment() -> dict[str, str]:
    """Without colours, with room, and without pytest's own variables."""
    return plain_environment() | {"COLUMNS": "120"}


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run one command."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=60
    )


def on_mock(*arguments: str, gpus: tuple[str, ...] = ("navi31",)) -> subprocess.CompletedProcess[str]:
    """Run one command on a mock machine."""
    options = [option for gpu in gpus for option in ("--gpu", gpu)]
    return run("mock", *options, "--", *COMMAND, *arguments)


def sentence(result: subprocess.CompletedProcess[str]) -> str:
    """What a failed command says: one sentence on stderr, no traceback."""
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_list_names_every_gpu() -> None:
    """Node, PCI address, name, versions."""
    result = on_mock("list", gpus=("navi31", "mi300x"))
    assert result.returncode == 0, result.stderr
    assert "/dev/dri/renderD128  0000:03:00.0" in result.stdout
    assert "11.0.0  6.0.0" in result.stdout
    assert "9.4.3" in result.stdout


def test_info_tells_what_probing_found() -> None:
    """Machine in words, probes, rings, every kind of gate."""
    result = on_mock("info", "--gpu", "0000:03:00.0")
    assert result.returncode == 0, result.stderr
    words = " ".join(result.stdout.split())
    assert "machine MOCK: simulated navi31" in words
    assert "explicit sync yes" in words
    assert "compute rings 4" in words
    assert all(f"gate {name} yes" in words for name in ("vgem", "sw_sync", "gpu-wait"))


def test_mock_gives_back_the_programs_status() -> None:
    """As a shell does, signals too."""
    assert run("mock", "--", "sh", "-c", "exit 7").returncode == 7
    assert run("mock", "--", "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL


def test_mock_tells_the_report_layer_what_it_is() -> None:
    """And only through one variable."""
    result = run("mock", "--gpu", "mi300x", "--kernel", "base", "--gpu-time", "2", "--", "printenv", ENVIRONMENT)
    description = {"gpus": ["mi300x"], "kernel": "base", "bugs": {}, "parameters": {}, "gpu_time": 2}
    assert json.loads(result.stdout) == description


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["validate", "--mock", "navi9000"], "there is no mock GPU called 'navi9000'; there are: "),
        (["validate", "--kernel", "2.4"], "there is no kernel called '2.4'; there are: 6.1, 6.12"),
        (["validate", "--mock", "--gpu", "voodoo"], "no amdgpu GPU matches 'voodoo': this machine has /dev/dri/render"),
        (["mock", "--", "/no/such/program"], "cannot run '/no/such/program': No such file"),
    ],
)
def test_bad_input_is_one_clear_sentence(arguments: list[str], says: str) -> None:
    """With what there is instead, and exit status 2."""
    assert says in sentence(run(*arguments))


@pytest.mark.skipif(os.path.exists("/dev/dri"), reason="this machine may have a GPU")
@pytest.mark.parametrize("arguments", [["list"], ["info"], ["validate", "--gpu", "03:00.0"]])
def test_no_gpu_is_one_clear_sentence(arguments: list[str]) -> None:
    """Naming what could be done."""
    assert "no amdgpu GPU" in sentence(run(*arguments))


def test_wrong_usage_ends_with_2() -> None:
    """As argparse does, for unknown commands, options and choices."""
    for arguments in (["dance"], ["list", "--loud"], ["validate", "--gate", "portcullis"], []):
        assert run(*arguments).returncode == 2


def test_no_permission_on_the_node_is_one_clear_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any test runs."""
    node = GpuNode("/dev/dri/renderD128", None, "0000:03:00.0", (0x1002, 0x744C), "")
    advice = "no permission to open /dev/dri/renderD128: join the group render"

    def refuse(path: str) -> int:
        raise NodePermission(advice)

    monkeypatch.setattr(validate, "select_gpu", lambda selector: node)
    monkeypatch.setattr(validate, "open_node", refuse)
    assert cli.main(["validate"]) == 2
    assert capsys.readouterr().err == f"amdgpu-hw: {advice}\n"


def test_a_bug_from_a_file_names_the_result_file_after_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name alone: the rest of its path is none of a directory of results."""
    monkeypatch.setattr(validate, "run_on_mock", lambda *_, **__: 0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text('"""Wrong."""\n')
    for path in ("./mine.py", str(tmp_path / "mine.py")):
        assert cli.main(["validate", "--mock", "--kernel=series-fixed", f"--bug={path}"]) == 0
    names = [file.name for file in (tmp_path / "results").iterdir()]
    assert len(names) == 2
    assert all(name.startswith("validate-navi31-series-fixed-mine-") for name in names), names


@pytest.mark.parametrize("where", [["--results=results"], []])
def test_a_resumed_run_makes_no_new_result_file(
    where: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its own, also where a script always names the directory."""
    commands: list[list[str]] = []

    def note(command: list[str], *_: object, **__: object) -> int:
        commands.append(command)
        return 0

    monkeypatch.setattr(validate, "run_on_mock", note)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    assert cli.main(["validate", "--mock", *where, "--resume=results/r.json"]) == 0
    assert list((tmp_path / "results").iterdir()) == []
    assert [word.partition("=")[0] for word in commands[0] if word.startswith("--res")] == ["--resume"]
    assert cli.main(["validate", "--mock", *where]) == 0
    assert len(list((tmp_path / "results").iterdir())) == 1


def test_a_gpu_whose_driver_failed_to_probe_is_no_reason_for_a_mock(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Inside a guest as on any machine: a sentence that names it, no verdict, no result file."""
    why = "0000:03:00.0 (Navi 31, 1002:744c) is bound to no driver although amdgpu is loaded: its probe failed"
    monkeypatch.setattr("amdgpu_hw.discovery.list_gpus", list)
    monkeypatch.setattr("amdgpu_hw.discovery.unusable_gpus", lambda: [why])
    monkeypatch.setattr(validate, "run_on_mock", lambda *_, **__: pytest.fail("a mock machine was started"))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["validate"]) == ExitStatus.UNUSABLE
    told = capsys.readouterr()
    assert why in told.err
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_costs_the_file_but_not_the_table(tmp_path: Path) -> None:
    """One sentence about it, exit status 2."""
    (tmp_path / "in the way").touch()
    result = run("validate", "--mock", "-k", "test_version", "--results", str(tmp_path / "in the way" / "r.json"))
    assert result.returncode == 2
    assert "1 test of 1 behaviour: 1 hold" in result.stdout
    assert "could not be written" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_results_go_below_the_working_directory_by_default(tmp_path: Path) -> None:
    """With GPU, kernel and time in the name."""
    result = run("validate", "--mock", "mi300x", "--kernel", "base", "-k", "test_version", cwd=tmp_path)
    assert result.returncode == ExitStatus.SILENT, result.stdout + result.stderr
    (file,) = (tmp_path / "results").iterdir()
    assert file.name.startswith("validate-mi300x-base-")
    assert json.loads(file.read_text())["machine"]["mock_kernel"] == "base"


def test_a_planted_bug_is_in_every_report(tmp_path: Path) -> None:
    """Name and description in the table, the file and the way to repeat it; and what it breaks is broken."""
    results = tmp_path / "r.json"
    result = run("validate", "--bug", "m05_flag_ignored", "-k", "B06", "--results", str(results))
    assert result.returncode == 1, result.stdout + result.stderr
    assert "planted bug m05_flag_ignored: The flag is accepted but ignored" in " ".join(result.stdout.split())
    assert "--kernel series-fixed-7.3 --bug m05_flag_ignored --gate=vgem --test" in " ".join(result.stdout.split())
    machine = json.loads(results.read_text())["machine"]
    assert list(machine["mock_bugs"]) == ["m05_flag_ignored"]
    assert machine["mock_bugs"]["m05_flag_ignored"].startswith("The flag is accepted but ignored")


def test_module_parameters_are_in_every_report(tmp_path: Path) -> None:
    """What the verdict is on, the way to repeat it, the file and its name."""
    result = run("validate", "--bug", "m05_flag_ignored", "--parameter", "debug_mask=0x4", "-k", "B06", cwd=tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    words = " ".join(result.stdout.split())
    assert "kernel series-fixed-7.3, amdgpu.debug_mask=0x4: MODELLED planted bug m05_flag_ignored" in words
    assert "--bug m05_flag_ignored --parameter debug_mask=0x4 --gate=vgem --test" in words
    (file,) = (tmp_path / "results").iterdir()
    assert file.name.startswith("validate-navi31-series-fixed-7.3-m05_flag_ignored-debug_mask=4-")
    assert json.loads(file.read_text())["machine"]["mock_parameters"] == {"debug_mask": 4}


def test_a_program_runs_with_module_parameters() -> None:
    """As /sys tells it."""
    parameters = ("--parameter", "vm_update_mode=3", "--parameter", "debug_mask=0x44")
    shown = "cd /sys/module/amdgpu/parameters; cat debug_mask user_queue vm_update_mode"
    result = run("mock", *parameters, "--", "sh", "-c", shown)
    assert result.stdout.split() == ["68", "-1", "3"], result.stderr


@pytest.mark.parametrize(
    ("parameter", "answer"),
    [
        ("speed=1", "amdgpu-hw: there is no module parameter 'speed' here; there are: lockup_timeout"),
        ("debug_mask", "argument --parameter: a module parameter must be NAME=NUMBER, not 'debug_mask'"),
        ("debug_mask=x", "argument --parameter: a module parameter must be NAME=NUMBER, not 'debug_mask=x'"),
    ],
)
@pytest.mark.parametrize("command", [("validate",), ("mock", "true"), ("latency",)])
def test_a_bad_module_parameter_is_one_sentence(command: tuple[str, ...], parameter: str, answer: str) -> None:
    """Which says what there is, or how it is written."""
    result = run(command[0], "--parameter", parameter, *command[1:])
    assert result.returncode == 2
    assert answer in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [("validate",), ("mock", "true")])
def test_an_unknown_bug_is_one_sentence(command: tuple[str, ...]) -> None:
    """With what it may have meant."""
    text = "amdgpu-hw: there is no planted bug called 'm05_flag': did you mean m05_flag_ignored"
    assert sentence(run(command[0], "--bug", "m05_flag", *command[1:])).startswith(text)


def test_bugs_lists_what_can_be_planted(capsys: pytest.CaptureFixture[str]) -> None:
    """Name, what is wrong, which rows have to notice, and on which kernel with which options."""
    assert cli.main(["bugs"]) == 0
    lines = {line.partition(" ")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "The flag is accepted but ignored" in lines["m05_flag_ignored"]
    assert "B06" in lines["m05_flag_ignored"]
    assert "(on base)" in lines["m07_minor_without_flag"]
    assert "B43 (with debug_mask=1)" in lines["x43_debug_vm_reorders"]


def test_rows_are_chosen_by_name(tmp_path: Path) -> None:
    """-k takes what the verdict table calls a row; a row brings its control along."""
    results = tmp_path / "r.json"
    result = run("validate", "--mock", "-k", "B06", "--results", str(results))
    assert result.returncode == 0, result.stdout + result.stderr
    rows = [case["row"] for case in json.loads(results.read_text())["cases"]]
    assert rows[0] == "B05"
    assert set(rows) == {"B05", "B06"}


def test_there_is_no_mock_machine_in_a_mock_machine() -> None:
    """Where a machine's GPU cannot be seen, validate must not build machine after machine."""
    assert "this runs on a mock machine already" in sentence(on_mock("validate", "--mock", "navi31"))


def test_nothing_testable_is_no_verdict(tmp_path: Path) -> None:
    """A status of its own, not success; whoever needs the series asks for it."""
    arguments = ("--kernel", "base", "-k", "explicit_clear_of_nothing")
    result = run("validate", *arguments, cwd=tmp_path)
    assert result.returncode == ExitStatus.SILENT
    assert "This is no verdict on the series." in result.stdout
    assert "This kernel does not have AMDGPU_VM_EXPLICIT_SYNC" in result.stdout
    refused = run("validate", *arguments, "--require", "explicit_sync", cwd=tmp_path)
    assert refused.returncode == ExitStatus.UNUSABLE
    assert "--require explicit_sync: AMD Radeon RX 7900 XTX" in refused.stderr


class Running:
    """A validation that can be disturbed once it holds work."""

    def __init__(self, results: Path) -> None:
        command = [*COMMAND, "validate", "--mock", "--results", str(results)]
        self.results = results
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait_for_a_gate(self) -> None:
        """Return when some tests with gates have ended: the next one is running."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                cases = json.loads(self.results.read_text())["cases"]
            except OSError:
                cases = []
            if sum(bool(case["gates"]) for case in cases) >= 2:
                return
            time.sleep(0.02)
        raise AssertionError(f"no gate was shut: {self.end()}")

    def end(self) -> str:
        """What it printed until it ended, which must be soon; nothing of it may be left."""
        output, _ = self.process.communicate(timeout=15)
        assert ProcessTable().session(self.process.pid) == set()
        return output


def _mock_kernel_of(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in map(int, children):
        if b"amdgpu_hw.mock.server" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    raise AssertionError("the validation has no mock kernel")


def test_ctrl_c_in_a_gated_test_ends_with_what_is_known(tmp_path: Path) -> None:
    """The table of what ran, one sentence, no traceback, no process left, a valid file."""
    running = Running(tmp_path / "r.json")
    running.wait_for_a_gate()
    os.killpg(running.process.pid, signal.SIGINT)
    output = running.end()
    assert running.process.returncode == ExitStatus.INCOMPLETE, output
    assert "The run ended early: Ctrl-C" in output
    assert "Traceback" not in output
    assert json.loads(running.results.read_text())["interrupted"].startswith("Ctrl-C")


def test_a_killed_mock_kernel_is_told_in_one_sentence(tmp_path: Path) -> None:
    """What was known is kept."""
    running = Running(tmp_path / "r.json")
    running.wait_for_a_gate()
    os.kill(_mock_kernel_of(running.process.pid), signal.SIGKILL)
    output = running.end()
    assert running.process.returncode == ExitStatus.INCOMPLETE, output
    assert "amdgpu-hw: the mock kernel was killed by SIGKILL" in output
    assert "Traceback" not in output
    assert json.loads(running.results.read_text())["cases"]


def test_a_terminated_validation_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM to the command reaches the tests, which open their gates and end."""
    running = Running(tmp_path / "r.json")
    running.wait_for_a_gate()
    running.process.send_signal(signal.SIGTERM)
    output = running.end()
    assert running.process.returncode == ExitStatus.INCOMPLETE, output
    assert "The run ended early: SIGTERM" in output


@pytest.mark.skipif(os.path.exists("/dev/dri"), reason="this machine may have a GPU")
@pytest.mark.parametrize("command", [["validate"], ["latency", "--quick"], ["overlap", "--quick"]])
def test_without_a_gpu_there_is_no_verdict(command: list[str], tmp_path: Path) -> None:
    """One sentence with what was looked for and found; no mock stands in unasked."""
    pytest.importorskip("scipy")
    text = sentence(run(*command, cwd=tmp_path))
    assert text.startswith("amdgpu-hw: no amdgpu GPU was found: looked for render nodes of the driver amdgpu")
    assert "found there is no render node at all" in text


@pytest.mark.skipif(os.path.exists("/dev/dri"), reason="this machine may have a GPU")
def test_the_script_asks_for_the_mock_itself_and_says_so_first_and_last(tmp_path: Path) -> None:
    """And gives the command's exit status."""
    command = [sys.executable, "-m", "amdgpu_hw.cli.validate_anywhere", "-k", "test_version"]
    result = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60)
    assert result.returncode == ExitStatus.PROVEN, result.stdout + result.stderr
    first, *_, last = result.stderr.strip().splitlines()
    assert first == last
    assert "a MOCK one is validated: the verdict is on the harness" in first


def test_one_case_is_run_by_its_name_in_the_results(tmp_path: Path) -> None:
    """With its controls and no other case of its test."""
    results = tmp_path / "r.json"
    name = "test_stress.py::test_nothing_is_held_after_many_cycles[plain]"
    result = run("validate", "--mock", "--test", name, "--results", str(results))
    assert result.returncode == 0, result.stdout + result.stderr
    assert [case["test"].rpartition("/")[2] for case in json.loads(results.read_text())["cases"]] == [name]
    unknown = run("validate", "--mock", "--test", "test_x.py::test_y")
    assert unknown.returncode == ExitStatus.UNUSABLE
    assert "no test is called 'test_x.py::test_y'" in unknown.stdout + unknown.stderr


def test_what_is_left_out_is_counted_with_the_command_that_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the option is in the command's help."""
    monkeypatch.setenv("AMDGPU_HW_ALLOW_FAULTS", "0")
    result = run("validate", "--mock", "-k", "T12 or test_version", cwd=tmp_path)
    words = " ".join(result.stdout.split())
    assert "left out 3 may make the GPU fault or hang; they run with amdgpu-hw validate --mock navi31" in words
    assert "--gate=vgem --allow-faults" in words
    assert "--allow-faults" in run("validate", "--help").stdout
