# SPDX-License-Identifier: MIT
"""``amdgpu-hw latency`` and ``overlap`` as people run them, also when it goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amdgpu_hw.cli import main
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.measure.results import LatencyResult, OverlapResult, load
from amdgpu_hw.mock.machine import Machine

ROOT = Path(__file__).parents[3]
SLOW_GPU = 32
SMALL = {
    "latency": ("--loads=idle", "--operations=CLEAR", "--mappings=PRT", "--sizes=4K", "--samples=2", "--blocks=1"),
    "overlap": ("--frames=3", "--blocks=1"),
}
LONG = {
    "latency": ("--loads=gfx x4", "--operations=UNMAP", "--sizes=64K", "--blocks=100", "--timeout=0.5"),
    "overlap": ("--blocks=100", "--frames=10", "--timeout=0.5"),
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    command = [sys.executable, "-m", "amdgpu_hw", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize("command", ["latency", "overlap"])
def test_a_run_on_a_mock_machine(command: str, tmp_path: Path) -> None:
    """It starts the machine by itself, prints that all is simulated, leaves a complete result and pictures."""
    output = tmp_path / "result.json"
    result = run(
        command, "--mock", "navi31", "--kernel", "base", f"--output={output}", "--null-blocks=0", *SMALL[command]
    )
    assert result.returncode == 0, result.stderr
    assert "SIMULATED" in result.stdout
    assert "both arms are the same implicit operation" in result.stdout
    measured = load(output)
    assert isinstance(measured, LatencyResult if command == "latency" else OverlapResult)
    assert measured.complete
    assert (measured.conditions.simulated, measured.conditions.mock_kernel) == (True, "base")
    assert measured.conditions.gpu_time == SLOW_GPU
    pictures = list(tmp_path.glob("*.png"))
    assert pictures, result.stdout
    assert all(str(picture) in result.stdout for picture in pictures)


def test_the_script_is_the_command(tmp_path: Path) -> None:
    """`scripts/unmap_latency.py` and `scripts/frame_overlap.py` take the same options."""
    for script, command in (("unmap_latency.py", "latency"), ("frame_overlap.py", "overlap")):
        usage = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / script), "--help"], capture_output=True, text=True, check=True
        )
        assert f"amdgpu-hw {command}" in usage.stdout
        assert "--null-blocks" in usage.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("latency", "--sizes=5"), "a size is a multiple of 4096 bytes"),
        (("latency", "--sizes=,"), "a list such as"),
        (("latency", "--loads=gfx x99"), "a load is idle, or gfx, compute or sdma with 1 to 24 jobs"),
        (("latency", "--operations=MAP"), "choose from UNMAP, CLEAR, REPLACE"),
        (("latency", "--samples=0"), "blocks and samples have to be 1 or more"),
        (("latency", "--job-ms=5000"), "a job of the load may last up to 250 ms"),
        (("overlap", "--frame-ms=20"), "do not fit into a budget of 16.7 ms"),
        (("overlap", "--rate=0"), "the rate of sparse binding"),
        (("overlap", "--mock", "--gpu-time=0"), "--gpu-time is a factor of more than 0"),
        (("latency", "--mock", "--quick", "--cpu=1000"), "this process may not run on CPU '1000'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_measured_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, and the status says that there is no answer."""
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1, told


def test_a_kernel_without_update_fences_is_one_sentence(tmp_path: Path) -> None:
    """Before Linux 6.16 nobody can tell when an update takes effect: no result file, no traceback."""
    result = run("overlap", "--mock", "--quick", "--kernel=6.12", f"--output={tmp_path / 'none.json'}")
    assert result.returncode == 2
    assert "nobody can see when an update takes effect" in result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert not list(tmp_path.iterdir())


def _interrupt(_machine: Machine, client: subprocess.Popen[str]) -> None:
    client.send_signal(signal.SIGINT)


def _hang(machine: Machine, _client: subprocess.Popen[str]) -> None:
    with machine.console() as console:
        console.hang("gfx_0.0.0")


def _reset(machine: Machine, _client: subprocess.Popen[str]) -> None:
    with machine.console() as console:
        console.reset()


def _unplug(machine: Machine, _client: subprocess.Popen[str]) -> None:
    with machine.console() as console:
        console.unplug()


@contextmanager
def _long_run(command: str, machine: Machine, output: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that would take long, from when it has saved something on; killed at the end."""
    # A script's background jobs ignore SIGINT, and what they start inherits that.
    harness = ["env", "--default-signal=INT", sys.executable, "-m", "amdgpu_hw"]
    client = subprocess.Popen(
        [*harness, command, f"--output={output}", "--no-plots", *LONG[command]],
        cwd=ROOT,
        env=machine.environ(dict(os.environ)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 60
        while not output.exists() and client.poll() is None:
            assert time.monotonic() < end, "no first result after 60 s"
            time.sleep(0.02)
        yield client
    finally:
        client.kill()
        client.communicate()


@pytest.mark.parametrize(
    ("command", "happens", "words"),
    [
        ("latency", _interrupt, "interrupted"),
        ("latency", _hang, "did not come within 500 ms"),
        ("latency", _unplug, "ENODEV"),
        ("overlap", _reset, "a reset of the GPU"),
    ],
)
def test_what_ends_a_run_early_costs_nothing(
    command: str, happens: Callable[[Machine, subprocess.Popen[str]], None], words: str, tmp_path: Path
) -> None:
    """The samples taken until then are saved and shown, a sentence says why there are no more."""
    output = tmp_path / "result.json"
    with Machine(["navi31"], gpu_time=SLOW_GPU) as machine, _long_run(command, machine, output) as client:
        happens(machine, client)
        printed, told = client.communicate(timeout=60)
    assert client.returncode == ExitStatus.INCOMPLETE, told
    assert words in told, told
    assert "Traceback" not in told, told
    measured = load(output)
    assert not measured.complete
    assert measured.samples > 0
    assert any(words in note for note in measured.notes), measured.notes
    assert "SIMULATED" in printed, printed
    assert "The run ended early" in printed


def test_a_killed_run_leaves_the_clocks_as_they_were(tmp_path: Path) -> None:
    """It holds them while it measures; what it measured before is there, and nothing of it is left in the kernel."""
    output = tmp_path / "result.json"
    with Machine(["navi31"], gpu_time=SLOW_GPU) as machine, machine.console() as console:
        with _long_run("latency", machine, output):
            assert console.audit()["pinned clocks"]
        end = time.monotonic() + 30
        while left := {name: count for name, count in console.audit().items() if count}:
            assert time.monotonic() < end, f"30 s after the program was killed there is still {left}"
            time.sleep(0.05)
    assert load(output).samples > 0
