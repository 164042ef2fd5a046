# SPDX-License-Identifier: MIT
"""Programs that nobody here wrote, on a stock kernel and a modelled GPU, as they are; one boot for all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.guest.identity import SUBSYSTEM_DEVICE, SUBSYSTEM_VENDOR
from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU
from amdgpu_hw.guest.session import GuestMachine, GuestOptions
from tests.guest.machine.requirements import why_not
from tests.mock.clients.running import BOUND_TILES, Outcome, compiled_sparse_binding, program, require_radv

TIMEOUT_S = 600
TILE = 1 << 16
TROUBLE = ("page fault", "*ERROR*", "timeout", "reset", "BUG:", "WARNING:", "Oops")
"""Words of the kernel's log that no well-behaved program causes."""

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.timeout(TIMEOUT_S),
]


class Guest:
    """A booted machine and a directory that both sides can write to."""

    def __init__(self, machine: GuestMachine, directory: Path) -> None:
        self.machine = machine
        self.directory = directory
        self._logged = 0

    def run(self, *command: str | Path) -> Outcome:
        """Run a program; it has to end well, and the kernel must have nothing to say against it."""
        words = ["sh", "-c", '"$@" >out 2>err; status=$?; dmesg >log; exit $status', "sh", *map(str, command)]
        status = self.machine.run(words, {"XDG_CACHE_HOME": "/run", "XDG_RUNTIME_DIR": "/run"})
        log = self._read("log").splitlines()
        said, self._logged = log[self._logged :], len(log)
        outcome = Outcome(self._read("out"), self._read("err"), "\n".join(said))
        assert status == 0, f"{command[0]} ended with {status}\n{outcome}"
        trouble = [line for line in said if any(word in line for word in TROUBLE)]
        assert not trouble, f"{command[0]} made the kernel log {trouble}"
        return outcome

    def note_log(self) -> None:
        """What the kernel has said so far is nobody's trouble."""
        assert self.machine.run(["sh", "-c", "dmesg >log"]) == 0
        self._logged = len(self._read("log").splitlines())

    def _read(self, name: str) -> str:
        return (self.directory / name).read_text(errors="replace")


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """The newest stock kernel with its driver loaded."""
    before = Path.cwd()
    directory = tmp_path_factory.mktemp("clients")
    os.chdir(directory)
    try:
        with GuestMachine(GuestOptions(console=directory / "console.log")) as machine:
            assert not machine.trouble
            guest = Guest(machine, directory)
            guest.note_log()
            yield guest
    finally:
        os.chdir(before)


def test_drmdevice_finds_the_gpu_and_says_that_it_is_ours(guest: Guest) -> None:
    """Both nodes lead to one PCI function whose IDs are the GPU's, and whose subsystem IDs are the project's."""
    outcome = guest.run(program("libdrm-tests", "drmdevice"))
    parts = outcome.output.split("--- Opening device node ")[1:]
    assert [re.sub(r"\d+", "", part.split()[0]) for part in parts] == ["/dev/dri/card", "/dev/dri/renderD"]
    for part in parts:
        ids = dict(re.findall(r" (\w+_id) +(\w+)", part))
        assert ids["vendor_id"] == "1002"
        assert int(ids["device_id"], 16) == load_identity(DEFAULT_GPU).pci.device
        assert (int(ids["subvendor_id"], 16), int(ids["subdevice_id"], 16)) == (SUBSYSTEM_VENDOR, SUBSYSTEM_DEVICE)


def test_amdgpu_stress_copies_between_vram_and_gtt(guest: Guest) -> None:
    """Buffers are where they were asked for, and every copy by SDMA ends."""
    sizes = ["-b", "v", "1m", "-b", "g", "1m", "-b", "vg", "64k"]
    copies = ["-c", "1", "2", "1m", "100", "-c", "2", "1", "1m", "100", "-c", "3", "1", "64k", "10"]
    outcome = guest.run(program("libdrm-tests", "amdgpu_stress"), *sizes, *copies)
    allocated = re.findall(r"Allocated BO number (\d) at 0x\w+, domain 0x(\d), size (\d+)", outcome.output)
    assert allocated[1:] == [("1", "4", "1048576"), ("2", "2", "1048576"), ("3", "6", "65536")]
    submitted = re.findall(r"Submitted (\d+) IBs to copy from (\d)\(\w+\) to (\d)\(\w+\) +(\d+) bytes", outcome.output)
    assert submitted == [("100", "1", "2", "1048576"), ("100", "2", "1", "1048576"), ("10", "3", "1", "65536")]


def test_radeontop_shows_an_idle_gpu(guest: Guest) -> None:
    """Load and used memory come from the driver; clocks do not: there is no power management."""
    outcome = guest.run(program("radeontop", "radeontop"), "-d", "-", "-l", "1")
    line = outcome.lines[-1]
    assert " bus 00, gpu 0.00%, " in line, outcome
    used = dict(re.findall(r"(vram|gtt) [\d.]+% ([\d.]+)mb", line))
    assert 0 < float(used["vram"]) < 64
    assert 0 < float(used["gtt"]) < 64


def test_vulkaninfo_names_the_gpu_and_radv(guest: Guest) -> None:
    """RADV takes what the driver says for a Vega10."""
    require_radv()
    outcome = guest.run(program("vulkan-tools", "vulkaninfo"), "--summary")
    first = outcome.output[outcome.output.index("GPU0:") :]
    shown = dict(re.findall(r"^\s*(\w+) += (.*)$", first.partition("GPU1:")[0], re.MULTILINE))
    assert shown["driverID"] == "DRIVER_ID_MESA_RADV", outcome
    assert shown["deviceType"] == "PHYSICAL_DEVICE_TYPE_DISCRETE_GPU"
    assert shown["deviceName"].endswith("(RADV VEGA10)")


def test_sparse_binding_keeps_every_byte_in_its_place(guest: Guest) -> None:
    """Vulkan's sparse binding on the real GEM_VA: bound tiles keep data, rebound ones show the new memory."""
    require_radv()
    outcome = guest.run(compiled_sparse_binding(guest.directory), str(TILE), "bound")
    assert outcome.lines[0].endswith("(RADV VEGA10)")
    assert [line for line in outcome.lines if line.startswith("ok: ")] == list(BOUND_TILES)
    assert int(outcome.lines[-1].removeprefix("checked words: ")) > 500_000
