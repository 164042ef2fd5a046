# SPDX-License-Identifier: MIT
"""Configuration space: what Linux and the driver read of a PCI Express function, and what they may write."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..identity import SIGNATURE, SUBSYSTEM_DEVICE, SUBSYSTEM_VENDOR, VSEC_ID, VSEC_REVISION

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.gpus import ModelIdentity

__all__ = ("CONFIG_SIZE", "ConfigSpace")

CONFIG_SIZE = 4096
VGA, DISPLAY_OTHER = 0x030000, 0x038000
COMMAND, STATUS = 0x04, 0x06
BAR0, ROM_BAR = 0x10, 0x30
COMMAND_BITS = 0x0547
"""I/O, memory, bus master, parity response, SERR#, interrupt disable."""
BUS_MASTER = 1 << 2

PM_AT, PCIE_AT, MSI_AT = 0x48, 0x58, 0xA0
PM_CONTROL = PM_AT + 4
DEVICE_CONTROL = PCIE_AT + 8
FLR = 1 << 15
VSEC_AT = 0x100

PREFETCHABLE_64 = 0xC
"""Low bits of a memory BAR of 64 bits."""


class ConfigSpace:
    """The 4 KiB; ``bars`` gives the size of each (0 to 5, and 6 for the ROM), those in ``wide`` take two."""

    def __init__(
        self,
        identity: ModelIdentity,
        bars: dict[int, int],
        wide: frozenset[int],
        on_bus_master: Callable[[bool], None],
        on_reset: Callable[[], None],
    ) -> None:
        self._identity = identity
        self._bars = bars
        self._wide = wide
        self._on_bus_master = on_bus_master
        self._on_reset = on_reset
        self.data = bytearray(CONFIG_SIZE)
        self._writable = bytearray(CONFIG_SIZE)
        self.reset()

    def reset(self) -> None:
        """Power up: nothing enabled, no addresses."""
        data = self.data = bytearray(CONFIG_SIZE)
        mask = self._writable = bytearray(CONFIG_SIZE)
        pci = self._identity.pci
        # There is no VGA here, and Linux would take the BIOS of a VGA controller from below 1 MiB (pci_fixup_video).
        class_code = DISPLAY_OTHER if pci.class_code == VGA else pci.class_code
        struct.pack_into("<HHHHI", data, 0, pci.vendor, pci.device, 0, 0x10, pci.revision | class_code << 8)
        struct.pack_into("<HH", data, 0x2C, SUBSYSTEM_VENDOR, SUBSYSTEM_DEVICE)
        data[0x34] = PM_AT
        data[0x3D] = 1  # INTA#
        struct.pack_into("<H", mask, COMMAND, COMMAND_BITS)
        mask[0x0C] = mask[0x3C] = 0xFF
        for bar, size in self._bars.items():
            at = ROM_BAR if bar == 6 else BAR0 + 4 * bar
            wide = bar in self._wide
            data[at] = PREFETCHABLE_64 if wide else 0
            if bar == 6:
                struct.pack_into("<I", mask, at, -size & 0xFFFF_FFFF | 1)
            elif wide:
                struct.pack_into("<Q", mask, at, -size & (1 << 64) - 1)
            else:
                struct.pack_into("<I", mask, at, -size & 0xFFFF_FFFF)
        # Power management: version 3, D0 only in effect.
        struct.pack_into("<BBHI", data, PM_AT, 0x01, PCIE_AT, 3, 8)
        struct.pack_into("<H", mask, PM_CONTROL, 3)
        # PCI Express: endpoint, version 2, function level reset; link as the identity says.
        gen, lanes = pci.gen or 3, pci.lanes or 16
        struct.pack_into(
            "<BBHIHHIHHIHHIHHIHHIHHIHH", data, PCIE_AT, 0x10, MSI_AT, 0x0002, 0x1000_8FA1, 0x2810, 0,
            0x0040_0C00 | gen | lanes << 4, 0, gen | lanes << 4, 0, 0, 0, 0, 0, 0, 0x70F, 0, 0,
            (1 << gen + 1) - 2, gen, 0, 0, 0, 0,
        )  # fmt: skip
        struct.pack_into("<H", mask, DEVICE_CONTROL, 0x7FFF)
        struct.pack_into("<H", mask, PCIE_AT + 0x10, 0x0FFF)
        struct.pack_into("<H", mask, PCIE_AT + 0x28, 0x7FFF)
        struct.pack_into("<H", mask, PCIE_AT + 0x30, 0xFFFF)
        # MSI: one vector, 64-bit address.
        struct.pack_into("<BBHIII", data, MSI_AT, 0x05, 0, 0x80, 0, 0, 0)
        struct.pack_into("<HIIH", mask, MSI_AT + 2, 0x71, 0xFFFF_FFFC, 0xFFFF_FFFF, 0xFFFF)
        # Vendor-specific extended capability: says what this is. It also makes Linux find extended space.
        struct.pack_into("<II", data, VSEC_AT, 0x0001_000B, VSEC_ID | VSEC_REVISION << 16 | (8 + len(SIGNATURE)) << 20)
        data[VSEC_AT + 8 : VSEC_AT + 8 + len(SIGNATURE)] = SIGNATURE
        self._on_bus_master(False)

    @property
    def msi_enabled(self) -> bool:
        """Whether the driver has switched MSI on."""
        return bool(self.data[MSI_AT + 2] & 1)

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes."""
        return bytes(self.data[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        """Store those bits that can be written, and do what they ask for."""
        for at, value in enumerate(data, offset):
            mask = self._writable[at]
            self.data[at] = self.data[at] & ~mask | value & mask
        end = offset + len(data)
        if offset <= COMMAND < end:
            self._on_bus_master(bool(self.data[COMMAND] & BUS_MASTER))
        if offset <= DEVICE_CONTROL + 1 < end and data[DEVICE_CONTROL + 1 - offset] << 8 & FLR:
            self._on_reset()
