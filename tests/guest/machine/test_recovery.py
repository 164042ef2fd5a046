# SPDX-License-Identifier: MIT
"""A hang ends in the driver's own timeout, and what it resets then works: GPUs whose full reset the SMU does."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdgpu_hw.guest.session import GuestMachine, GuestOptions
from tests.guest.machine.requirements import why_not

TIMEOUT_S = 900
PROGRAM = Path(__file__).with_name("hang.py")
ALL_WORK = "these work: COMPUTE GFX SDMA\n"
RESET_ALONE = {"navi21": ("COMPUTE", r"comp_[\d.]+"), "navi31": ("SDMA", r"sdma\d")}
"""An engine whose ring the driver resets alone. With firmware as old as that of navi31.toml it is the copy engine only:
gfx_v11_0_sw_init asks for ME 2280 and MEC 2410."""

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.timeout(TIMEOUT_S),
    pytest.mark.long,
]


@pytest.fixture(scope="module", params=["navi21", "navi31"])
def gpu(request: pytest.FixtureRequest) -> str:
    """Which GPU."""
    return str(request.param)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, gpu: str) -> Iterator[GuestMachine]:
    """A GPU under the newest kernel, whose jobs may take five seconds."""
    console = tmp_path_factory.mktemp("recovery") / "console.log"
    options = GuestOptions(gpus=(gpu,), parameters={"lockup_timeout": "5000"}, console=console)
    with GuestMachine(options) as booted:
        assert booted.bound == 1
        yield booted


def run(machine: GuestMachine, capfd: pytest.CaptureFixture[str], *command: str) -> str:
    """What a command says that ends well."""
    capfd.readouterr()
    status = machine.run(list(command))
    output = capfd.readouterr()
    assert status == 0, output.err
    return output.out


def program(machine: GuestMachine, capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What our program says."""
    return run(machine, capfd, sys.executable, str(PROGRAM), *arguments)


def log(machine: GuestMachine, capfd: pytest.CaptureFixture[str]) -> str:
    """What the kernel has said since it was last asked."""
    return run(machine, capfd, "dmesg", "--read-clear")


def test_a_hang_ends_in_a_reset_of_its_ring(machine: GuestMachine, gpu: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The job fails with ETIME, as its timeout says, and everybody else goes on."""
    engine, ring = RESET_ALONE[gpu]
    log(machine, capfd)
    assert re.fullmatch(rf"{engine} ended with errno 62 after \d+ s\n", program(machine, capfd, engine))
    said = log(machine, capfd)
    assert re.search(rf"ring {ring} timeout", said), said
    assert re.search(rf"Ring {ring} reset succeeded", said), said
    assert "MODE1" not in said
    assert program(machine, capfd) == ALL_WORK


def test_a_full_reset_goes_through_the_smu(machine: GuestMachine, capfd: pytest.CaptureFixture[str]) -> None:
    """amdgpu_gpu_recover of debugfs: mode 1, and everything is set up anew."""
    log(machine, capfd)
    run(machine, capfd, "sh", "-c", "cat /sys/kernel/debug/dri/0000:00:10.0/amdgpu_gpu_recover")
    said = log(machine, capfd)
    assert "GPU smu mode1 reset" in said
    assert "VRAM is lost due to GPU reset" in said
    assert re.search(r"GPU reset\(\d+\) succeeded", said), said
    assert not re.search(r"BUG|WARNING", said), said
    assert program(machine, capfd) == ALL_WORK
    gpu_log = machine.console.with_suffix(".gpu0.log").read_text()
    assert "mode 1 reset" in gpu_log
    assert "not modelled: SMU" not in gpu_log
