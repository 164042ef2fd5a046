# SPDX-License-Identifier: MIT
"""AMD GPUs on the PCI bus that nobody can open: without a driver, with another one, or with one whose probe failed."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

import pyudev

__all__ = ("UnusableGpu", "udev", "unusable_gpus")

_VENDOR = "1002"
_CLASSES = ("0300", "0380", "1200")
"""VGA, other display, processing accelerator: what amdgpu binds to by class (pciidlist in amdgpu_drv.c)."""

_DRIVER = "/sys/bus/pci/drivers/amdgpu"


@functools.cache
def udev() -> pyudev.Context:
    """The connection to udev, made once: pyudev starts a program to find libudev each time that it makes one."""
    return pyudev.Context()


@dataclass(frozen=True, slots=True)
class UnusableGpu:
    """A GPU of AMD's without a render node of amdgpu's."""

    pci_address: str
    pci_id: str
    """Vendor and device, ``1002:744c``."""
    model: str
    """The name in udev's hardware database; empty where udev has none."""
    driver: str
    """The driver that is bound to it; empty if none is."""
    amdgpu_is_loaded: bool

    @property
    def trouble(self) -> str:
        """What is the matter with it, and what to do about it."""
        if self.driver == "amdgpu":
            return "is bound to amdgpu and has no render node: its initialisation did not end; 'dmesg' says why"
        if self.driver:
            return f"is bound to the driver {self.driver}, not to amdgpu"
        if self.amdgpu_is_loaded:
            return "is bound to no driver although amdgpu is loaded: its probe failed; 'dmesg | grep amdgpu' says why"
        return "is bound to no driver, and amdgpu is not loaded: 'modprobe amdgpu' as root"

    def __str__(self) -> str:
        return f"{self.pci_address} ({self.model or 'AMD GPU'}, {self.pci_id}) {self.trouble}"


def unusable_gpus() -> list[UnusableGpu]:
    """The AMD GPUs without a render node that amdgpu made, by address."""
    context = udev()
    with_node = {
        parent.sys_path
        for device in context.list_devices(subsystem="drm")
        if device.sys_name.startswith("renderD") and (parent := device.find_parent("pci")) is not None
    }
    devices = list(context.list_devices(subsystem="pci"))
    loaded = os.path.isdir(_DRIVER) or any(device.driver == "amdgpu" for device in devices)
    found = []
    for device in devices:
        vendor, _, product = device.properties.get("PCI_ID", "").lower().partition(":")
        kind = device.properties.get("PCI_CLASS", "").zfill(6)[:4]
        driver = device.driver or ""
        ours = vendor == _VENDOR and kind in _CLASSES
        if (ours or driver == "amdgpu") and (device.sys_path not in with_node or driver != "amdgpu"):
            model = device.properties.get("ID_MODEL_FROM_DATABASE", "")
            found.append(UnusableGpu(device.sys_name, f"{vendor}:{product}", model, driver, loaded))
    return sorted(found, key=lambda gpu: gpu.pci_address)
