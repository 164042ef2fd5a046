# SPDX-License-Identifier: MIT
"""How a modelled GPU says that it is one.

Vendor and device ID are the real GPU's: by them the driver binds, and user space knows what it has. The subsystem IDs,
which no driver decides anything by, are ours. Any user can read them in sysfs (`subsystem_vendor`,
`subsystem_device`), the VBIOS part number too (`vbios_version`); lspci as root also finds `SIGNATURE` in a
vendor-specific extended capability.

Whoever reads this does it to label results, never to decide what a test does.
"""

from __future__ import annotations

__all__ = (
    "SIGNATURE",
    "SUBSYSTEM_DEVICE",
    "SUBSYSTEM_VENDOR",
    "VBIOS_PREFIX",
    "VSEC_ID",
    "VSEC_REVISION",
    "is_modelled",
    "vbios_part_number",
)

SUBSYSTEM_VENDOR = 0xF0A6
"""Of no board maker: the PCI-SIG has not given it to anybody."""
SUBSYSTEM_DEVICE = 0x4857
"""All modelled GPUs have the same; which GPU it is a model of the device ID says."""

VSEC_ID = 0x4857
VSEC_REVISION = 1
SIGNATURE = b"amdgpu_hw: modelled GPU\0"
"""What follows the header of the vendor-specific extended capability (PCIe 6.0, 7.9.5)."""

VBIOS_PREFIX = "MODELLED-GPU-"
"""Begins the part number of our ATOM BIOS; no vendor's begins so."""


def is_modelled(subsystem_vendor: int, subsystem_device: int) -> bool:
    """Tell whether a PCI function with these subsystem IDs is a modelled GPU."""
    return (subsystem_vendor, subsystem_device) == (SUBSYSTEM_VENDOR, SUBSYSTEM_DEVICE)


def vbios_part_number(gpu: str) -> str:
    """Return the part number that sysfs and AMDGPU_INFO_VBIOS show for the model of ``gpu`` (its TOML file's name)."""
    return VBIOS_PREFIX + gpu.upper()
