# SPDX-License-Identifier: MIT
"""The commands of the console, as the mock kernel's process carries them out.

They are declared in `declared`; `run` checks what came over the socket against that. Results are what `json` can write,
or dataclasses of `types`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from amdgpu_hw.decode import JSON, DecodeError, decode
from amdgpu_hw.gpu_model.ring import Hang
from amdgpu_hw.mock.board import Busy
from amdgpu_hw.mock.console import state
from amdgpu_hw.mock.console.declared import COMMANDS, ConsoleCommands
from amdgpu_hw.mock.console.types import (
    BoState,
    ClientState,
    ContextState,
    FileState,
    JobState,
    MachineState,
    MappingState,
    RingState,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.recover import amdgpu_device_gpu_recover
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv import drv as amdgpu_drv
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.params import UnknownParameter
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_reset import ResetSource
from amdgpu_hw.mock.kernel.audit import audit
from amdgpu_hw.mock.kernel.fault_injection import AllocSite, FenceFault
from amdgpu_hw.mock.planting import UnknownBug, load_bug
from amdgpu_hw.mock.variants import UnknownKernel, get_variant

if TYPE_CHECKING:
    from amdgpu_hw.mock.board import Board
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import AmdgpuRing

__all__ = ("CommandError", "Commands")

_MSEC = 1_000_000

_ARGUMENTS = replace(JSON, wrong="{where} must be {wanted}, not {value!r}")


class CommandError(Exception):
    """A command cannot be carried out; the message is one sentence."""


class Commands(ConsoleCommands):
    """The commands on one machine."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def run(self, name: object, arguments: object) -> Any:
        """Carry out a command that came as JSON; raises `CommandError`."""
        if not isinstance(name, str) or name not in COMMANDS:
            raise CommandError(f"there is no command {name!r}; there are: {', '.join(COMMANDS)}")
        if not isinstance(arguments, Mapping):
            raise CommandError(f"the arguments of '{name}' must be an object, not {arguments!r}")
        parameters = COMMANDS[name].parameters
        given = {}
        for key, value in arguments.items():
            if key not in parameters:
                raise CommandError(f"'{name}' has no argument '{key}'; it has: {', '.join(parameters) or 'none'}")
            try:
                given[key] = decode(parameters[key].type, value, f"'{key}' of '{name}'", _ARGUMENTS)
            except DecodeError as error:
                raise CommandError(str(error)) from None
        for key, parameter in parameters.items():
            if parameter.default is inspect.Parameter.empty and key not in arguments:
                raise CommandError(f"'{name}' needs the argument '{key}'")
        return getattr(self, name)(**given)

    # -- state ----------------------------------------------------------------------------------------------------

    def status(self) -> MachineState:
        """The machine as a whole."""
        return state.status(self._board)

    def log(self, lines: int = 0) -> str:
        """The last lines of the kernel's log, or all of it."""
        found = list(self._board.kernel.log.lines)
        return "".join(f"{line}\n" for line in (found[-lines:] if lines > 0 else found))

    def clients(self) -> list[ClientState]:
        """Processes."""
        return state.clients(self._board)

    def files(self) -> list[FileState]:
        """Open files."""
        return state.files(self._board)

    def contexts(self, client_id: int | None = None) -> list[ContextState]:
        """Contexts and their entities."""
        return state.contexts(self._board, client_id)

    def bos(self, client_id: int | None = None) -> list[BoState]:
        """Buffers."""
        return state.bos(self._board, client_id)

    def mappings(self, client_id: int, va: int = 0, limit: int = 1000) -> list[MappingState]:
        """Mappings of an address space."""
        return state.mappings(self._board, client_id, va, limit)

    def rings(self) -> list[RingState]:
        """Rings."""
        return state.rings(self._board)

    def jobs(self) -> list[JobState]:
        """Jobs that are not done."""
        return state.jobs(self._board)

    def updates(self, client_id: int | None = None) -> list[JobState]:
        """Page-table updates that are not done, and what they wait for."""
        return state.updates(self._board, client_id)

    def audit(self) -> dict[str, int]:
        """Count what is kept for clients; all zeros when they are gone."""
        return {**self._board.transport.audit(), **audit(self._board.kernel)}

    # -- rings ----------------------------------------------------------------------------------------------------

    def hold(self, ring: str, gpu: int = 0) -> None:
        """Stop a ring behind the packet it is at."""
        self._ring(ring, gpu).hw.hold()

    def release(self, ring: str, gpu: int = 0) -> None:
        """Let a ring go on."""
        self._ring(ring, gpu).hw.release()

    def step(self, ring: str, gpu: int = 0) -> str:
        """Let a held ring execute one packet; tells where it is then."""
        hw = self._ring(ring, gpu).hw
        if not hw.held:
            raise CommandError(f"ring {ring} is not held")
        return hw.where() if hw.step() else "nothing to do"

    # -- faults ---------------------------------------------------------------------------------------------------

    def hang(self, ring: str, gpu: int = 0, *, wave: bool = False) -> None:
        """Hang a ring at its current job, or the next one; ``wave``: a shader does, which can be killed."""
        self._ring(ring, gpu).hw.hang(Hang.WAVE if wave else Hang.PROCESSOR)

    def lose_fence(self, ring: str, gpu: int = 0) -> None:
        """Lose the next fence that a ring writes."""
        self._ring(ring, gpu).fence_drv.fault = FenceFault(self._board.kernel, None)

    def delay_fence(self, ring: str, ms: float, gpu: int = 0) -> None:
        """Make the next fence that a ring writes come late."""
        if ms <= 0:
            raise CommandError(f"a fence cannot be {ms:g} ms late")
        self._ring(ring, gpu).fence_drv.fault = FenceFault(self._board.kernel, int(ms * _MSEC))

    def fail_alloc(self, nth: int = 1, times: int = 1, site: str | None = None) -> None:
        """Make an allocation fail with ENOMEM."""
        _positive(nth=nth, times=times)
        sites = {known.value: known for known in AllocSite}
        if site is not None and site not in sites:
            raise CommandError(f"there is no allocation '{site}'; there are: {', '.join(sites)}")
        self._board.kernel.faults.fail_alloc(nth, times, None if site is None else sites[site])

    def interrupt(self, nth: int = 1, times: int = 1, pid: int | None = None) -> None:
        """Interrupt a system call that sleeps, as a signal does (EINTR)."""
        _positive(nth=nth, times=times)
        self._board.kernel.faults.interrupt_sleep(nth, times, pid)

    def fail_ring_reset(self, times: int = 1) -> None:
        """Make the reset of a single ring fail, so that the whole GPU is reset."""
        _positive(times=times)
        self._board.kernel.faults.failing_ring_resets = times

    def clear_faults(self) -> None:
        """Forget injected faults that have not happened."""
        self._board.kernel.faults.clear()
        for adev in self._board.adevs:
            for ring in adev.rings:
                ring.fence_drv.fault = None
                ring.hw.hangs_next = None

    def reset(self, gpu: int = 0) -> None:
        """Reset a GPU, as reading amdgpu_gpu_recover in debugfs does."""
        adev = self._gpu(gpu)
        if adev.ddev.unplugged:
            raise CommandError(f"GPU {gpu} is unplugged")
        amdgpu_device_gpu_recover(adev, None, ResetSource.USER)

    def unplug(self, gpu: int = 0) -> None:
        """Pull a GPU out of the machine."""
        amdgpu_drv.remove(self._gpu(gpu))

    # -- the machine ----------------------------------------------------------------------------------------------

    def parameter(self, name: str, value: int) -> None:
        """Set a module parameter of amdgpu on all GPUs."""
        try:
            self._board.set_parameter(name, value)
        except UnknownParameter as error:
            raise CommandError(str(error)) from None

    def boot(self, kernel: str, bugs: Sequence[str] = (), parameters: Mapping[str, int] | None = None) -> None:
        """Boot another kernel, with planted bugs and module parameters; not while clients have files open."""
        try:
            self._board.reboot(get_variant(kernel), [load_bug(name) for name in bugs], parameters)
        except (Busy, UnknownKernel, UnknownBug, UnknownParameter) as refusal:
            raise CommandError(str(refusal)) from None

    # -- looking things up ----------------------------------------------------------------------------------------

    def _gpu(self, index: int) -> AmdgpuDevice:
        adevs = self._board.adevs
        if not 0 <= index < len(adevs):
            raise CommandError(f"there is no GPU {index}; this machine has {len(adevs)}")
        return adevs[index]

    def _ring(self, name: str, gpu: int) -> AmdgpuRing:
        adev = self._gpu(gpu)
        for ring in adev.rings:
            if ring.name == name:
                return ring
        raise CommandError(f"GPU {gpu} has no ring '{name}'; it has: {', '.join(ring.name for ring in adev.rings)}")


def _positive(**numbers: int) -> None:
    for name, value in numbers.items():
        if value < 1:
            raise CommandError(f"'{name}' must be at least 1, not {value}")
