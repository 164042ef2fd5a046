# SPDX-License-Identifier: MIT
"""The bus interface: memory size, scratch registers of the BIOS, windows to other registers and to VRAM (nbio_v*.c)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .log import MachineLog
    from .memory import PhysicalMemory
    from .registers import RegisterFile

__all__ = ("NBIO_2_3", "NBIO_4_3", "NBIO_6_1", "NBIO_7_9", "Nbio", "NbioNames")

M32 = 0xFFFF_FFFF
ASIC_INIT_COMPLETE = 0x200
"""BIOS_SCRATCH_7: the BIOS has set the GPU up (amdgpu_atombios_scratch_need_asic_init)."""
MM_INDEX, MM_DATA, MM_INDEX_HI = 0, 1, 6
"""At the same place on all of AMD's GPUs (amdgpu_device_mm_access)."""
HOLE = 0x7F000 // 4
"""First register of the page that HDP flushes are remapped to (MMIO_REG_HOLE_OFFSET)."""
HOLE_DWORDS = 1024


@dataclass(frozen=True, slots=True)
class NbioNames:
    """How one generation calls its registers, and its SMN registers that a driver reads."""

    memsize: str
    flush_request: str
    flush_done: str
    prefix: str = ""
    """Of BIOS_SCRATCH_n."""
    window: tuple[str, str] = ("PCIE_INDEX2", "PCIE_DATA2")
    """Address and data of SMN registers (get_pcie_index_offset)."""
    values: dict[str, int] = field(default_factory=dict)
    """What else is not 0 after power-up."""
    smn: dict[int, str] = field(default_factory=dict)
    """Address -> name of registers behind PCIE_INDEX2 that keep what is written and read as 0 before."""


NBIO_6_1 = NbioNames(
    memsize="RCC_PF_0_0_RCC_CONFIG_MEMSIZE",
    flush_request="BIF_BX_PF0_GPU_HDP_FLUSH_REQ",
    flush_done="BIF_BX_PF0_GPU_HDP_FLUSH_DONE",
    smn={
        0x1118_0044: "SMN_CPM_CONTROL",
        0x1118_0070: "SMN_PCIE_CI_CNTL",
        0x1118_0080: "SMN_PCIE_CNTL2",
        0x1118_0460: "SMN_PCIE_CONFIG_CNTL",
        # umc_v6_0_init_registers: four channels of each of four controllers; the first controller's are in BAR5.
        **{n // 4 << 20 | 0x5_010C + 0x2000 * (n % 4): f"UMC{n // 4}_CH{n % 4}" for n in range(4, 16)},
    },
)

NBIO_7_9 = NbioNames(
    memsize="RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE",
    flush_request="BIF_BX_PF0_GPU_HDP_FLUSH_REQ",
    flush_done="BIF_BX_PF0_GPU_HDP_FLUSH_DONE",
    prefix="BIF_BX0_",
    window=("BIF_BX0_PCIE_INDEX2", "BIF_BX0_PCIE_DATA2"),
    # One memory partition (NPS1), which is also all that is possible; one compute partition (SPX), which is 0.
    values={
        "BIF_BX_PF0_PARTITION_MEM_STATUS": 1 << 4,
        "BIF_BX_PF0_PARTITION_MEM_CAP": 1,
        # STRAP_ATI_REV_ID: the driver refuses A0 (gmc_v9_0, soc15_common_early_init).
        "RCC_STRAP0_RCC_DEV0_EPF0_STRAP0": 1 << 24,
    },
)
"""MI300X (nbio_v7_9.c)."""

NBIO_2_3 = NbioNames(
    memsize="RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE",
    flush_request="BIF_BX_PF_GPU_HDP_FLUSH_REQ",
    flush_done="BIF_BX_PF_GPU_HDP_FLUSH_DONE",
    values={"RCC_DEV0_EPF0_STRAP0": 1 << 24},
)
"""Navi21 (nbio_v2_3.c)."""

NBIO_4_3 = NbioNames(
    memsize="RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE",
    flush_request="BIF_BX_PF0_GPU_HDP_FLUSH_REQ",
    flush_done="BIF_BX_PF0_GPU_HDP_FLUSH_DONE",
    prefix="BIF_BX0_",
    window=("BIF_BX_PF0_RSMU_INDEX", "BIF_BX_PF0_RSMU_DATA"),
)
"""Navi31 (nbio_v4_3.c)."""


class Nbio:
    """NBIO of one GPU."""

    def __init__(self, names: NbioNames, registers: RegisterFile, memory: PhysicalMemory, log: MachineLog) -> None:
        self._names = names
        self._registers = registers
        self._memory = memory
        self._log = log
        self._smn_defaults = dict.fromkeys(names.smn, 0)
        self._smn = dict(self._smn_defaults)
        self._smn_writers: dict[int, Callable[[int], None]] = {}
        at = registers.table.offset
        registers.default(at("NBIO", names.memsize), memory.vram_size >> 20)
        registers.default(at("NBIO", f"{names.prefix}BIOS_SCRATCH_7"), ASIC_INIT_COMPLETE)
        for name, value in names.values.items():
            registers.default(at("NBIO", name), value)
        # A flush of the HDP is over at once: what the driver asks for is done when it looks.
        request = at("NBIO", names.flush_request)
        registers.on_read(at("NBIO", names.flush_done), lambda: registers.get(request))
        self._index, self._data = (at("NBIO", name) for name in names.window)
        registers.on_read(self._data, self._read_smn)
        registers.on_write(self._data, self._write_smn)
        registers.on_read(MM_DATA, self._read_mm)
        registers.on_write(MM_DATA, self._write_mm)
        for offset in range(HOLE, HOLE + HOLE_DWORDS):
            registers.on_write(offset, _flush)

    def reset(self) -> None:
        """Power up."""
        self._smn = dict(self._smn_defaults)

    def smn_default(self, address: int, value: int) -> None:
        """Have an SMN register, which keeps what is written, and has a value after power-up."""
        self._smn_defaults[address] = self._smn[address] = value

    def smn_on_write(self, address: int, function: Callable[[int], None]) -> None:
        """Call a function after an SMN register has been written."""
        self._smn_writers[address] = function

    def set_smn(self, address: int, value: int) -> None:
        """Make an SMN register hold a value."""
        self._smn[address] = value

    # -- SMN: registers of the system management network --------------------------------------------------------------

    def _read_smn(self) -> int:
        address = self._registers.get(self._index)
        if address >> 2 in self._registers.table and address >> 2 not in (MM_DATA, self._data):
            # What is farther away than BAR5 reaches, the driver reads here (amdgpu_device_rreg).
            return self._registers.read(address >> 2)
        if address not in self._smn:
            self._log.once(("smn", address), f"not modelled: read of {self._smn_name(address)} gives 0")
        return self._smn.get(address, 0)

    def _write_smn(self, value: int) -> None:
        address = self._registers.get(self._index)
        if address >> 2 in self._registers.table and address >> 2 not in (MM_DATA, self._data):
            self._registers.write(address >> 2, value)
        elif address in self._smn:
            self._smn[address] = value
            writer = self._smn_writers.get(address)
            if writer is not None:
                writer(value)
        else:
            self._log.once(("smn", address), f"not modelled: write of {value:#x} to {self._smn_name(address)}")

    def _smn_name(self, address: int) -> str:
        """Return how the log calls a register by its byte address: those of other blocks are named by dwords."""
        name = self._registers.table.named(address >> 2)
        return f"{name} (SMN register {address:#x})" if name else f"SMN register {address:#x}"

    # -- MM_INDEX, MM_DATA --------------------------------------------------------------------------------------------

    def _read_mm(self) -> int:
        index = self._registers.get(MM_INDEX)
        if index >> 31:
            return self._memory.read_u32(self._vram_address(index)) if self._in_vram(index) else M32
        return self._registers.read(index >> 2) if index >> 2 not in (MM_DATA, self._data) else 0

    def _write_mm(self, value: int) -> None:
        index = self._registers.get(MM_INDEX)
        if index >> 31:
            if self._in_vram(index):
                self._memory.write(self._vram_address(index), value.to_bytes(4, "little"))
        elif index >> 2 not in (MM_DATA, self._data):
            self._registers.write(index >> 2, value)

    def _vram_address(self, index: int) -> int:
        return (index & 0x7FFF_FFFC) | self._registers.get(MM_INDEX_HI) << 31

    def _in_vram(self, index: int) -> bool:
        return self._vram_address(index) + 4 <= self._memory.vram_size


def _flush(_value: int) -> None:
    """Flush the HDP: writes of the CPU are in VRAM at once."""
