# SPDX-License-Identifier: MIT
"""Dumps of hung GPUs: what is in them, how long they stay, and that there is one at a time."""

from __future__ import annotations

import errno

from amdgpu_hw.mock.kernel.devcoredump import DUMP_TIMEOUT_NS, dev_coredumpm
from amdgpu_hw.mock.kernel.kernel import Kernel
from amdgpu_hw.mock.variants import VARIANTS
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, Client
from tests.mock.kernel.hang_fixture import boot_impatient, error_of, hang, sysfs_of

DEVICE = "/sys/devices/pci0000:00/0000:00:01.1/0000:03:00.0"
DUMP = "/sys/devices/virtual/devcoredump/devcd1"


def test_a_hang_leaves_a_dump() -> None:
    """It tells the process, the GPU, the ring, and what the command processors were at when the timeout came."""
    adev = boot_impatient()
    client = Client(adev)
    error_of(client, GFX, hang(client, GFX))
    sysfs = sysfs_of(adev)
    text = sysfs.devices[DUMP].decode()
    lines = text.splitlines()
    assert lines[:2] == ["**** AMDGPU Device Coredump ****", "version: 1"]
    for line in (
        f"process_name: client PID: {client.caller.pid}",
        f"SOC Device id: {adev.identity.pci.device}",
        "HWIP: GC[1][0]: v11.0.0.0.0",
        "IP Type: 0 Ring Name: gfx_0.0.0",
        "ring name: gfx_0.0.0",
        "VRAM lost check is skipped!",
    ):
        assert line in lines, f"no line {line!r} in the dump:\n{text}"
    assert "gfx_0.0.0: waiting, at IB" in text, "the dump was made after the reset"
    assert sysfs.links == {(DUMP, "failing_device"): adev.syspath, (adev.syspath, "devcoredump"): DUMP}
    assert (DUMP, "add", {}) in sysfs.events
    assert "Check your /sys/class/drm/card0/device/devcoredump/data" in client.log()


def test_the_dump_names_the_page_that_was_missing() -> None:
    """A fault of the same address space is in it."""
    adev = boot_impatient()
    client = Client(adev)
    client.wait(COMPUTE, client.submit(COMPUTE, client.packets(COMPUTE).write_data(0x6000_0000, [1])))
    error_of(client, COMPUTE, hang(client))
    assert b"Faulty page starting at address: 0x0000000060000000" in sysfs_of(adev).devices[DUMP]


def test_the_first_dump_stays_until_somebody_writes_to_it() -> None:
    """A second hang makes no second dump; after a write the next one does, under another number."""
    adev = boot_impatient()
    sysfs = sysfs_of(adev)
    for _ in range(2):
        client = Client(adev)
        assert error_of(client, COMPUTE, hang(client)) == errno.ETIME
    assert list(sysfs.devices) == [DUMP]
    sysfs.writers[DUMP]()
    assert not sysfs.devices
    assert not sysfs.links
    assert (DUMP, "remove", {}) in sysfs.events
    client = Client(adev)
    error_of(client, COMPUTE, hang(client))
    assert list(sysfs.devices) == ["/sys/devices/virtual/devcoredump/devcd2"]


def test_a_dump_is_thrown_away_after_five_minutes() -> None:
    """And not before."""
    kernel = Kernel(VARIANTS["base"])
    start = kernel.now()
    assert dev_coredumpm(kernel, DEVICE, b"dump")
    assert not dev_coredumpm(kernel, DEVICE, b"another")
    assert dev_coredumpm(kernel, f"{DEVICE}/other", b"of another device")
    kernel.timers.run_due(start + DUMP_TIMEOUT_NS - 1)
    assert kernel.coredumps.data_of(DEVICE) == b"dump"
    kernel.timers.run_due(kernel.now() + DUMP_TIMEOUT_NS)
    assert kernel.coredumps.data_of(DEVICE) is None
