# SPDX-License-Identifier: MIT
"""The micro engine scheduler (MES) of GFX11: it maps and resets queues as its ring's frames say (mes_v11_0.c).

Accesses to registers (MISC) are in `gpu_model.kernel_mes`. It schedules nothing: user queues are not modelled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from amdgpu_hw.packets import MesQueueType, Packet

from .hqd import SCHEDULER_ME

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.hardware_queue import HardwareQueue

    from .hqd import Hqd, HqdBanks
    from .kiq import Kiq
    from .log import MachineLog
    from .registers import RegisterFile

__all__ = ("MesBlock",)

HALT = 1 << 30
"""CP_MES_CNTL.MES_HALT."""
PIPE_RESET_SHIFT, PIPE_ACTIVE_SHIFT, PIPES = 16, 26, 2
API_VERSION = 1 << 12
"""CP_MES_GP3_LO: above the firmware's version."""
VERSION_MASK = 0xFFF


class MesBlock:
    """MES of one GPU, with firmware of a ``version``."""

    def __init__(self, version: int, registers: RegisterFile, hqds: HqdBanks, kiq: Kiq, log: MachineLog) -> None:
        self._version = version & VERSION_MASK | API_VERSION
        self._registers = registers
        self._hqds = hqds
        self._log = log
        at = registers.table.offset
        self._cntl = at("GC", "CP_MES_CNTL")
        registers.default(self._cntl, HALT)
        registers.on_write(self._cntl, self._control)
        registers.on_read(at("GC", "CP_MES_GP3_LO"), self._read_version)
        self._mappers = {
            int(MesQueueType.GFX): kiq.map_graphics_queue,
            int(MesQueueType.COMPUTE): kiq.map_compute_queue,
        }
        self._handlers: dict[str, Callable[[HardwareQueue, Packet], None]] = {
            # Which VMIDs and queues it may use: it uses those that it is told to map.
            "SET_HW_RSRC": _nothing,
            "SET_HW_RSRC_1": _nothing,
            "QUERY_SCHEDULER_STATUS": _nothing,
            # All that it schedules, which is nothing; the driver's own queues stay (amdgpu_mes_suspend).
            "SUSPEND": _nothing,
            "RESUME": _nothing,
            "ADD_QUEUE": self._add_queue,
            "REMOVE_QUEUE": self._remove_queue,
            "RESET": self._reset_queue,
        }

    def execute(self, ring: HardwareQueue, frame: Packet) -> None:
        """Do what a frame says."""
        self._handlers[frame.name](ring, frame)

    # -- registers ----------------------------------------------------------------------------------------------------

    def _control(self, value: int) -> None:
        """Halting it, or resetting its pipes, takes its queues off (mes_v11_0_enable)."""
        if value & HALT or value >> PIPE_RESET_SHIFT & (1 << PIPES) - 1:
            self._hqds.halt(SCHEDULER_ME)

    def _read_version(self) -> int:
        """The firmware says its version when it runs (mes_v11_0_get_fw_version)."""
        running = self._registers.get(self._cntl) >> PIPE_ACTIVE_SHIFT & (1 << PIPES) - 1
        return self._version if running else 0

    # -- frames -------------------------------------------------------------------------------------------------------

    def _add_queue(self, ring: HardwareQueue, frame: Packet) -> None:
        """Map a queue of the driver's own (mes_v11_0_map_legacy_queue)."""
        fields = frame.fields
        map_queue = self._mappers.get(fields["queue_type"])
        if map_queue is None or not fields["map_legacy_kq"]:
            self._not_modelled(frame)
            return
        system = self._hqds.system(ring)
        map_queue(system, fields["pipe"], fields["queue"], fields["mqd"], fields["doorbell"], fields["wptr"])

    def _remove_queue(self, _ring: HardwareQueue, frame: Packet) -> None:
        """Unmap a queue of the driver's own, which may be off already (mes_v11_0_unmap_legacy_queue)."""
        if not frame.fields["unmap_legacy_queue"]:
            self._not_modelled(frame)
            return
        found = self._find(frame.fields["doorbell"])
        if found is not None:
            self._hqds.dequeue(found, keep_rptr=not frame.fields["remove_queue_after_reset"])

    def _reset_queue(self, _ring: HardwareQueue, frame: Packet) -> None:
        """Have a queue give up what it is at and go on with what the driver writes next (mes_v11_0_reset_hw_queue)."""
        fields = frame.fields
        found = None
        if fields["legacy_gfx"]:
            found = self._hqds.get(0, fields["pipe"] & 3, fields["queue"] & 7)
        elif fields["queue_only"]:
            found = self._find(fields["doorbell"])
        else:
            self._not_modelled(frame)
        if found is not None:
            self._log(f"{found.name}: reset (MES)")
            self._hqds.restart(found)

    def _find(self, doorbell: int) -> Hqd | None:
        hqds = [hqd for hqd in self._hqds.active() if hqd.me != SCHEDULER_ME]
        return next((hqd for hqd in hqds if self._hqds.doorbell(hqd) == doorbell), None)

    def _not_modelled(self, frame: Packet) -> None:
        self._log.once(("mes", frame.name), f"not modelled: MES {frame.name} {frame.fields}")


def _nothing(_ring: HardwareQueue, _frame: Packet) -> None:
    pass
