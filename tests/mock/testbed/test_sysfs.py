# SPDX-License-Identifier: MIT
"""sysfs and udev of the mock machine, as programs see them in an umockdev testbed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.mock.pci import MAX_GPUS, pci_address
from amdgpu_hw.mock.testbed.sysfs import describe_gpu, describe_vgem, node_path
from amdgpu_hw.mock.variants import VgemBus


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A description of a machine with two GPUs and vgem."""
    path = tmp_path_factory.mktemp("sysfs") / "machine.umockdev"
    blocks = [
        describe_gpu(load_identity("navi31"), 0, 0, 128),
        describe_gpu(load_identity("mi300x"), 1, 1, 129),
        describe_vgem(VgemBus.PLATFORM, 2, 130),
    ]
    path.write_text("\n".join(blocks))
    return path


def run(machine: Path, *command: str) -> str:
    """What a command prints on the mock machine."""
    done = subprocess.run(
        ["umockdev-run", "-d", str(machine), "--", *command], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, f"{command} failed on the mock machine: {done.stderr}"
    return done.stdout


def test_every_gpu_has_a_slot_of_its_own() -> None:
    """16 GPUs, 16 PCI addresses; a 17th is refused."""
    assert len({pci_address(i) for i in range(MAX_GPUS)}) == MAX_GPUS
    with pytest.raises(ValueError, match="at most 16 GPUs"):
        pci_address(MAX_GPUS)


def test_node_paths_follow_the_minor() -> None:
    """Minors from 128 are render nodes."""
    assert (node_path(1), node_path(128)) == ("/dev/dri/card1", "/dev/dri/renderD128")


def test_libdrm_finds_all_devices(machine: Path) -> None:
    """drmdevice (libdrm-tests, unmodified) lists both GPUs with their ids, and vgem as a platform device."""
    text = run(machine, "drmdevice")
    assert "--- Devices reported 3 ---" in text
    for wanted in ("device_id     744c", "device_id     74a1", "subdevice_id  0e3b", "bus    03", "bus    07"):
        assert wanted in text, f"drmdevice does not say '{wanted}'"
    assert text.count("/dev/dri/renderD129") >= 1
    assert "fullname\tvgem" in text


PYUDEV = """
import json, pyudev
found = {}
for device in pyudev.Context().list_devices(subsystem="drm"):
    parent = device.find_parent("pci")
    found[device.device_node] = None if parent is None else {
        "slot": parent.properties["PCI_SLOT_NAME"],
        "driver": parent.driver,
        "vendor": parent.attributes.asstring("vendor"),
        "vram": parent.attributes.asint("mem_info_vram_total"),
        "type": device.properties["DEVTYPE"],
    }
print(json.dumps(found))
"""


def test_pyudev_finds_nodes_and_their_driver(machine: Path) -> None:
    """What the device layer's discovery asks: node, PCI parent, driver, attributes."""
    found = json.loads(run(machine, sys.executable, "-c", PYUDEV))
    assert found["/dev/dri/renderD128"] == {
        "slot": "0000:03:00.0",
        "driver": "amdgpu",
        "vendor": "0x1002",
        "vram": 25753026560,
        "type": "drm_minor",
    }
    assert found["/dev/dri/card1"]["slot"] == "0000:07:00.0"
    assert found["/dev/dri/renderD130"] is None


def test_files_below_the_pci_device(machine: Path) -> None:
    """What libdrm, Mesa and radeontop read by path from a device number."""
    script = "cd /sys/dev/char/226:128/device && cat revision class gpu_busy_percent pp_dpm_sclk && ls drm && pwd -P"
    text = run(machine, "sh", "-c", script)
    assert text.splitlines() == [
        "0xc8",
        "0x030000",
        "0",
        "0: 500Mhz *",
        "1: 2371Mhz",
        "card0",
        "renderD128",
        "/sys/devices/pci0000:00/0000:00:01.1/0000:03:00.0",
    ]


def test_uevent_files_have_what_libdrm_parses(machine: Path) -> None:
    """drmParsePciBusInfo wants PCI_SLOT_NAME, drmGetDeviceNameFromFd2 a DEVNAME relative to /dev."""
    assert "PCI_SLOT_NAME=0000:07:00.0\n" in run(machine, "cat", "/sys/dev/char/226:129/device/uevent")
    assert "DEVNAME=dri/renderD129\n" in run(machine, "cat", "/sys/dev/char/226:129/uevent")


def test_configuration_space_agrees_with_the_attributes(machine: Path) -> None:
    """libdrm reads ids from `config` where `revision` is missing: both must say the same."""
    text = run(machine, "od", "-An", "-tx1", "-N48", "/sys/dev/char/226:129/device/config")
    config = bytes(int(byte, 16) for byte in text.split())
    assert config[0:4] == bytes.fromhex("0210a174")
    assert config[8:12] == bytes.fromhex("00000012")
    assert config[44:48] == bytes.fromhex("0210a174")
