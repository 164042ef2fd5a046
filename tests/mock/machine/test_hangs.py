# SPDX-License-Identifier: MIT
"""Hung jobs as an unmodified program meets them: errors, context state, uevents through udev, dumps in sysfs."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdgpu_hw.mock.machine import Machine

HANG_CLIENT = str(Path(__file__).with_name("hang_client.py"))
TIMEOUT_MS = 150
ACCEPTED = ("ECANCELED", "ENODATA", "ETIME")


@pytest.fixture(scope="module", params=["navi31", "vega10"])
def impatient(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A machine whose jobs time out soon: one that resets rings, one that resets all of the GPU for graphics."""
    with Machine([request.param]) as machine:
        with machine.console() as console:
            console.parameter("lockup_timeout", TIMEOUT_MS)
        yield machine


def run(machine: Machine, *command: str) -> list[str]:
    """Run a program on the machine; what it printed."""
    result = subprocess.run(
        [sys.executable, *command], env=machine.environ(), capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, f"{command[0]} ended with {result.returncode}: {result.stdout}{result.stderr}"
    return result.stdout.splitlines()


@pytest.mark.parametrize("ring", ["gfx", "compute", "sdma"])
def test_a_program_with_a_deadlocked_job(impatient: Machine, ring: str) -> None:
    """IGT's amd_deadlock: the wait ends with one of three errors, the next context works, udev and sysfs tell."""
    job, reset, afterwards, uevent, dump = run(impatient, HANG_CLIENT, ring)
    assert job.removeprefix("job ") in ACCEPTED
    assert reset == "reset"
    assert afterwards == "afterwards done"
    assert uevent == "uevent ('change', '/dev/dri/card0', 'none', 'python')"
    assert "**** AMDGPU Device Coredump **** 0o600" in dump
    with impatient.console() as console:
        assert not {name: count for name, count in console.audit().items() if count}
        assert console.status().oopses == 0


def test_a_dump_is_gone_when_somebody_has_written_to_it(impatient: Machine) -> None:
    """`echo 1 > data` frees it, and the links to it with it."""
    run(impatient, HANG_CLIENT, "compute")
    script = """
import time
from pathlib import Path
links = [Path("/sys/class/drm/card0/device/devcoredump"), Path("/sys/class/devcoredump")]
end = time.monotonic() + 10
while links[0].is_symlink() or (links[1].exists() and list(links[1].iterdir())):
    assert time.monotonic() < end, "the dump is still there"
    time.sleep(0.01)
print(Path("/sys/class/drm/card0/device/vendor").read_text().strip(), end="")
"""
    assert run(impatient, "-c", script) == ["0x1002"], "the failing device went with the dump"


def test_what_can_be_reset_is_in_sysfs(impatient: Machine) -> None:
    """The files that IGT looks at."""
    script = "print(open('/sys/class/drm/renderD128/device/compute_reset_mask').read(), end='')"
    expected = {"navi31": "queue full ", "vega10": "soft_recovery queue full "}
    assert run(impatient, "-c", script) == [expected[impatient.gpus[0]]]


def test_a_process_that_dies_with_gated_work_is_cleared_away_after_a_second() -> None:
    """The kernel gives it one second, cancels what is still queued, and takes everything back."""
    program = """
import sys, time
from amdgpu_hw import open_gpu
with open_gpu() as gpu:
    gpu.compute.submit(gpu.compute.packets.nop()).wait()
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(4):
        gpu.compute.submit(gpu.compute.packets.nop())
    print("submitted", flush=True)
    time.sleep(60)
"""
    with Machine(["navi31"]) as machine, machine.console() as console:
        with subprocess.Popen(
            [sys.executable, "-c", program],
            env=machine.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            assert client.stdout.readline() == "ready\n"
            for ring in console.rings():
                if ring.name.startswith("comp"):
                    console.hold(ring.name)
            client.stdin.write("\n")
            client.stdin.flush()
            assert client.stdout.readline() == "submitted\n"
            client.kill()
            client.wait()
        started = time.monotonic()
        while console.audit()["files"]:
            assert time.monotonic() - started < 10, f"still open: {console.files()}"
            time.sleep(0.02)
        assert time.monotonic() - started > 0.5, "the flush did not wait"
        for ring in console.rings():
            console.release(ring.name)
        deadline = time.monotonic() + 5
        while any(console.audit().values()):
            assert time.monotonic() < deadline, f"left over: {console.audit()}"
            time.sleep(0.02)
