# SPDX-License-Identifier: MIT
"""The PCI function: BARs, configuration space, interrupts, DMA (seam 2: all that a driver knows the GPU by)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .gpu import GuestGpu
from .pci import CONFIG_SIZE, ConfigSpace
from .vfio_user import CONFIG_REGION, Region, VfioUserServer

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.gpus import ModelIdentity

    from .log import MachineLog

__all__ = ("SLICE", "PciFunction")

SLICE = 32
"""Items of GPU work between two looks at the socket, or before a write is answered: that has to be soon."""

VRAM, DOORBELLS, REGISTERS, ROM = 0, 2, 5, 6
"""Which BAR is what from GFX9 on."""
DOORBELLS_SIZE = 2 << 20
REGISTERS_SIZE = 512 << 10


class PciFunction:
    """A GPU as a PCI function, served on the UNIX socket ``path`` (`vfio_user.Device`)."""

    def __init__(self, identity: ModelIdentity, vram: int, path: str, log: MachineLog) -> None:
        self.log = log
        self.gpu = GuestGpu(identity, vram, log, self._send_msi)
        aperture = 1 << (min(identity.memory.visible or vram, vram) - 1).bit_length()
        while aperture > vram:
            aperture >>= 1
        bars = {VRAM: aperture, DOORBELLS: DOORBELLS_SIZE, REGISTERS: REGISTERS_SIZE, ROM: len(self.gpu.rom)}
        self.regions = {
            **{bar: Region(size, writable=bar != ROM) for bar, size in bars.items()},
            VRAM: Region(aperture, fd=self.gpu.memory.fd),
            CONFIG_REGION: Region(CONFIG_SIZE),
        }
        self.config = ConfigSpace(
            identity, bars, frozenset((VRAM, DOORBELLS)), self._set_bus_master, self._function_level_reset
        )
        self.server = VfioUserServer(path, self)

    def close(self) -> None:
        """Stop serving and give everything back."""
        self.server.close()
        self.gpu.close()

    # -- vfio_user.Device ---------------------------------------------------------------------------------------------

    def region_read(self, region: int, offset: int, size: int) -> bytes:
        """Return bytes of a BAR or of configuration space."""
        if region == REGISTERS:
            return self._read_registers(offset, size)
        if region == CONFIG_REGION:
            return self.config.read(offset, size)
        if region == VRAM:
            return self.gpu.memory.read(offset, size)
        if region == ROM:
            return self.gpu.rom[offset : offset + size]
        # Doorbells are write-only.
        return bytes(size)

    def region_write(self, region: int, offset: int, data: bytes) -> None:
        """Store bytes in a BAR or in configuration space; what a register or a doorbell sets off begins at once.

        QEMU's processor waits for our answer, so that a driver that then polls memory for 100 ms of its own time
        (sdma_v5_2_ring_test_ring) finds the result however busy this machine is.
        """
        if region == REGISTERS:
            for at in range(0, len(data) - 3, 4):
                self.gpu.registers.write((offset + at) >> 2, int.from_bytes(data[at : at + 4], "little"))
            self.gpu.work.run(SLICE)
        elif region == DOORBELLS:
            self.gpu.ring_doorbell(offset >> 2, int.from_bytes(data[:8], "little"))
            self.gpu.work.run(SLICE)
        elif region == CONFIG_REGION:
            self.config.write(offset, data)
        elif region == VRAM:
            self.gpu.memory.write(offset, data)

    def dma_map(self, address: int, size: int, fd: int, offset: int, writable: bool) -> None:
        """Make a range of the guest's RAM reachable."""
        self.gpu.memory.dma.map(address, size, fd, offset, writable)

    def dma_unmap(self, address: int, size: int) -> int:
        """Take a range away."""
        return self.gpu.memory.dma.unmap(address, size)

    def dma_clear(self) -> None:
        """Take all ranges away."""
        self.gpu.memory.dma.clear()

    def reset(self) -> None:
        """Reset the function as the bus does: configuration space as well."""
        self.gpu.reset()
        self.config.reset()

    # -- callbacks ----------------------------------------------------------------------------------------------------

    def _read_registers(self, offset: int, size: int) -> bytes:
        first = offset >> 2
        last = (offset + size - 1) >> 2
        data = b"".join(self.gpu.registers.read(n).to_bytes(4, "little") for n in range(first, last + 1))
        return data[offset & 3 :][:size]

    def _send_msi(self) -> None:
        self.server.interrupt()

    def _set_bus_master(self, on: bool) -> None:
        self.gpu.memory.bus_master = on

    def _function_level_reset(self) -> None:
        """Reset what the driver asked for through configuration space; that itself is kept by Linux (pci_reset)."""
        self.log("function level reset")
        self.gpu.reset()
