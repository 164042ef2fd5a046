# SPDX-License-Identifier: MIT
"""A stock kernel's own amdgpu takes a modelled GPU, and the suite runs there as anywhere: the whole way, once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.guest.kernels import fetched_kernels
from tests import plain_environment
from tests.guest.machine.requirements import why_not

TIMEOUT_S = 900
TEST_TIMEOUT_S = 100
"""Emulated processors on a busy machine need longer than the 20 s that a test is given elsewhere."""

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.timeout(TIMEOUT_S),
]


def amdgpu_hw(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of our commands in a directory."""
    environment = plain_environment()
    return subprocess.run(
        [sys.executable, "-m", "amdgpu_hw", *arguments],
        cwd=directory,
        env=environment | {"COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize(
    ("gpu", "rows", "least"),
    [
        ("vega10", "", 80),
        ("mi300x", "", 80),
        ("navi21", "test_map or test_prt or test_splits or test_other_queues or test_update_fence", 20),
        ("navi31", "test_map or test_prt or test_splits or test_other_queues or test_update_fence", 20),
    ],
)
def test_the_newest_stock_kernel_answers_every_row_as_expected(tmp_path: Path, gpu: str, rows: str, least: int) -> None:
    """The whole suite, or rows of each kind; table here, result file and both logs in results/, and what is real."""
    arguments = ["--allow-faults", "--expectations", f"--timeout={TEST_TIMEOUT_S}"]
    if rows:
        arguments += ["-k", rows]
    result = amdgpu_hw(tmp_path, "validate", "--guest", "--gpu", gpu, *arguments)
    # Nothing is broken that is not expected; a stock kernel lacks the series, so that nothing is said about it.
    assert result.returncode == ExitStatus.SILENT, result.stdout + result.stderr
    kernel = fetched_kernels()[0]
    assert f"REAL KERNEL Linux {kernel.release} (fetched by set-up), MODELLED GPU {gpu}" in result.stderr
    assert result.stdout.startswith("GUEST: REAL KERNEL, MODELLED GPU: ")
    (file,) = (tmp_path / "results").glob("*.json")
    assert re.fullmatch(rf"validate-guest-{gpu}-{re.escape(kernel.release)}-\d+T\d+Z\.json", file.name)
    told = json.loads(file.read_text())
    machine = told["machine"]
    assert (machine["kernel_is_real"], machine["gpu_is_real"]) == (True, False)
    assert machine["guest_gpus"] == [gpu]
    assert machine["kernel"].startswith(kernel.release)
    outcomes = [case["outcome"] for case in told["cases"]]
    assert outcomes.count("holds") >= least, f"hardly anything was proven: {outcomes}"
    for log in (".console.log", ".console.gpu0.log"):
        assert file.with_suffix(log).is_file()


@pytest.mark.parametrize("release", [kernel.release for kernel in fetched_kernels()[1:]])
def test_older_stock_kernels_take_the_gpu_too(tmp_path: Path, release: str) -> None:
    """Each that set-up fetched."""
    result = amdgpu_hw(tmp_path, "list", "--guest", release)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0000:00:10.0" in result.stdout
    assert "amdgpu has" not in result.stderr


BROKEN_ROM = """
import sys
if "amdgpu_hw.guest.device" in sys.orig_argv:
    from amdgpu_hw.guest.device import atombios
    right = atombios.build_rom
    atombios.build_rom = lambda *given: right(*given).replace(b"ATOM", b"NONE")
"""
"""A sitecustomize: the modelled GPU's process makes a ROM in which amdgpu finds no ATOM BIOS."""


@pytest.mark.long
def test_a_driver_that_does_not_take_the_gpu_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its probe fails and nothing panics: no command is run, and no result file is left."""
    (tmp_path / "sitecustomize.py").write_text(BROKEN_ROM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    result = amdgpu_hw(tmp_path, "validate", "--guest", "--gpu", "vega10")
    assert result.returncode == ExitStatus.UNUSABLE, result.stdout + result.stderr
    machine, trouble = result.stderr.strip().splitlines()
    assert "REAL KERNEL" in machine
    assert trouble.startswith("amdgpu-hw: amdgpu has not taken the GPU (its last line: ")
    assert "failed with error -22" in trouble
    assert not list((tmp_path / "results").glob("*.json"))
