# SPDX-License-Identifier: MIT
from __future__ import annotations

import struct

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.guest.device.pci import ConfigSpace
from amdgpu_hw.guest.identity import SIGNATURE, SUBSYSTEM_DEVICE, SUBSYSTEM_VENDOR, is_modelled, vbios_part_number

BARS = {0: 256 << 20, 2: 2 << 20, 5: 512 << 10, 6: 64 << 10}


class Config(ConfigSpace):
    """A configuration space that notes what it was asked for."""

    def __init__(self) -> None:
        self.master: list[bool] = []
        self.resets = 0
        super().__init__(load_identity("vega10"), BARS, frozenset((0, 2)), self.master.append, self._note_reset)

    def _note_reset(self) -> None:
        self.resets += 1

    def u(self, at: int, size: int = 4) -> int:
        return int.from_bytes(self.read(at, size), "little")

    def size(self, at: int, wide: bool = False) -> int:
        """Return what an operating system finds as a BAR's size."""
        self.write(at, b"\xff" * (8 if wide else 4))
        value = self.u(at, 8 if wide else 4) & ~0xF
        if at == 0x30:
            value &= ~0x7FF
        return (1 << (64 if wide else 32)) - value


@pytest.fixture
def config() -> Config:
    """A configuration space after power-up."""
    return Config()


def capabilities(config: Config) -> dict[int, int]:
    """Return capability -> offset, walked as an operating system does."""
    found = {}
    at = config.u(0x34, 1)
    while at:
        found[config.u(at, 1)] = at
        at = config.u(at + 1, 1)
    return found


def test_the_ids_are_the_gpus_and_the_subsystem_ours(config: Config) -> None:
    """The driver binds by vendor and device; the subsystem says that it is a model."""
    assert (config.u(0, 2), config.u(2, 2)) == (0x1002, 0x687F)
    assert (config.u(0x2C, 2), config.u(0x2E, 2)) == (SUBSYSTEM_VENDOR, SUBSYSTEM_DEVICE)
    assert is_modelled(config.u(0x2C, 2), config.u(0x2E, 2))
    assert not is_modelled(0x1002, 0x0B36)


def test_it_is_a_display_controller_without_vga(config: Config) -> None:
    """Class 0x0380: Linux would look for a VGA controller's ROM below 1 MiB."""
    assert config.u(8) >> 8 == 0x038000


def test_bars_have_the_sizes_they_say(config: Config) -> None:
    """Sizing by writing ones finds each BAR; both memory BARs are prefetchable and 64 bits wide."""
    assert config.size(0x10, wide=True) == BARS[0]
    assert config.size(0x18, wide=True) == BARS[2]
    assert config.size(0x24) == BARS[5]
    assert config.size(0x30) == BARS[6]
    assert config.u(0x10) & 0xF == 0xC
    assert config.u(0x20) == 0, "there is no BAR 4"


def test_read_only_fields_stay(config: Config) -> None:
    """Nonsense over all of the space changes no ID, class or capability."""
    before = config.read(0, 4), config.read(8, 4), config.read(0x2C, 4), capabilities(config)
    config.write(0, b"\xa5" * 4096)
    assert (config.read(0, 4), config.read(8, 4), config.read(0x2C, 4), capabilities(config)) == before


def test_the_capabilities_are_pm_express_and_msi(config: Config) -> None:
    """Power management, PCI Express (with function level reset), MSI with one 64-bit vector."""
    found = capabilities(config)
    assert set(found) == {0x01, 0x10, 0x05}
    express, msi = found[0x10], found[0x05]
    assert config.u(express + 2, 2) & 0xFF == 2, "version 2, endpoint: QEMU makes of it what its bus needs"
    assert config.u(express + 4) >> 28 & 1, "FLR"
    assert config.u(msi + 2, 2) & 0x8F == 0x80
    config.write(msi + 2, b"\x01\x00")
    assert config.msi_enabled


def test_the_extended_capability_says_that_it_is_a_model(config: Config) -> None:
    """Vendor-specific, at 0x100, with our text; without one the driver complains of missing extended space."""
    header, vendor = config.u(0x100), config.u(0x104)
    assert (header & 0xFFFF, header >> 20) == (0x0B, 0)
    assert config.read(0x108, len(SIGNATURE)) == SIGNATURE
    assert vendor >> 20 == 8 + len(SIGNATURE)


def test_bus_mastering_and_flr_are_told(config: Config) -> None:
    """The command register's bit 2 and the device control register's bit 15 reach the function."""
    config.write(4, b"\x07\x00")
    assert config.master[-1] is True
    config.write(capabilities(config)[0x10] + 8, struct.pack("<H", 0x8000))
    assert config.resets == 1
    config.write(4, b"\x03\x00")
    assert config.master[-1] is False


def test_the_part_number_says_that_it_is_a_model() -> None:
    """What sysfs shows as vbios_version names the model."""
    assert vbios_part_number("vega10") == "MODELLED-GPU-VEGA10"
