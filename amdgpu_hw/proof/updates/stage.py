# SPDX-License-Identifier: MIT
"""Where the cases of `amdgpu_hw.proof.updates.cases` are played: buffers of every sort, and work of every kind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from amdgpu_hw.address_space import Range, SyncOptions, Update
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.fixtures import RunningJob, ShutGate
from amdgpu_hw.proof.held import Held
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.neighbour import Neighbour
from amdgpu_hw.proof.placement import place
from amdgpu_hw.proof.queues import graphics_ring, require_gangs
from amdgpu_hw.proof.sync_rules import MemorySort
from amdgpu_hw.proof.units import ms
from amdgpu_hw.proof.updates.cases import (
    BESIDE,
    CUT,
    CUT_DELAYED,
    ELSEWHERE,
    LEFT_OF_A_CUT,
    LOW,
    MADE_EXPLICIT,
    MAPPED_TWICE,
    MEMBER,
    MEMORY,
    MOVED,
    MOVED_BUFFER,
    OLDER,
    QUEUED,
    READ_ONLY,
    RUNNING,
    TO_BE_MAPPED,
    TO_BE_MOVED,
    UpdateCase,
)
from amdgpu_hw.uapi import amdgpu_drm as uapi

__all__ = ("JobsInFlight", "UpdateStage", "play")

TILE = 64 * KiB
_CUT = 4 * PAGE_SIZE


class UpdateStage:
    """Where cases are played: makes what a case is about before the gate is shut, and plays it under the job."""

    def __init__(self, gpu: Gpu, neighbour: Callable[[], Neighbour]) -> None:
        self._gpu = gpu
        self._neighbour = neighbour
        self._always_valid = gpu.alloc(TILE, always_valid=True)
        self._ordinary = gpu.alloc(TILE)
        self._new_always_valid = gpu.alloc(3 * TILE, always_valid=True)
        self._new = gpu.alloc(3 * TILE)

    @contextmanager
    def set(self, case: UpdateCase) -> Iterator[Callable[[], Update]]:
        """A range with everything mapped in it; what it yields does the case's update, under the job."""
        gpu = self._gpu
        if case.memory == MOVED_BUFFER or case.meanwhile == MOVED:
            self._neighbour()  # which has to have started before a gate is shut
        with ExitStack() as things:
            buffer = self._buffer(case.memory, things)
            tiles = things.enter_context(gpu.reserve(3 * TILE, low=case.half == LOW))
            elsewhere = things.enter_context(gpu.reserve(TILE))
            if case.memory == READ_ONLY and buffer is not None:
                tiles.part(TILE, TILE).map(buffer, writeable=False)
            else:
                _map(tiles.part(TILE, TILE), buffer)
            if case.memory == MAPPED_TWICE:
                _map(things.enter_context(gpu.reserve(TILE)), buffer)
            if case.memory in LEFT_OF_A_CUT:
                tiles.part(TILE + TILE // 2, TILE // 2).clear(delay=case.memory == CUT_DELAYED)
            if case.memory == CUT_DELAYED:
                # It carries the CLEAR out, and writes nothing anew of a buffer that it does not list.
                gpu.compute.submit(gpu.compute.packets.nop()).wait()
            for at, memory in zip((2 * TILE, 0), BESIDE[case.beside], strict=False):
                _map(tiles.part(at, TILE), self._of(memory))
            other = things.enter_context(gpu.alloc(TILE, "vram|gtt", always_valid=case.meanwhile == TO_BE_MOVED))
            if case.meanwhile in (TO_BE_MOVED, MOVED):
                elsewhere.map(other)

            def play() -> Update:
                if case.memory == MOVED_BUFFER and buffer is not None:
                    self._neighbour().move(buffer)
                if case.meanwhile == MOVED:
                    self._neighbour().move(other)
                elif case.meanwhile == TO_BE_MOVED:
                    place(gpu, other, uapi.AMDGPU_GEM_DOMAIN_GTT)
                elif case.meanwhile == TO_BE_MAPPED:
                    elsewhere.map(self._always_valid, delay=True)
                sync: SyncOptions = {"explicit_sync": True} if case.explicit else {}
                return self._update(case, tiles, buffer, sync)

            yield play

    def _update(self, case: UpdateCase, tiles: Range, buffer: Buffer | None, sync: SyncOptions) -> Update:
        tile = tiles.part(TILE, TILE)
        if case.operation == "UNMAP":
            return tile.unmap(buffer, **sync) if buffer else tile.unmap_prt(**sync)
        whole = tiles if BESIDE[case.beside] else tile
        if case.beside == CUT:
            whole = tile.part(_CUT, _CUT)
        if case.operation == "CLEAR":
            return whole.clear(**sync)
        if case.operation == "REPLACE by PRT":
            return whole.replace_prt(**sync)
        return whole.replace(
            self._new_always_valid if case.operation.endswith("always-valid BO") else self._new, **sync
        )

    def _buffer(self, memory: str, things: ExitStack) -> Buffer | None:
        """A buffer of one sort, None for PRT."""
        gpu = self._gpu
        if memory == "PRT":
            return None
        if memory == "a userptr BO":
            buffer = gpu.alloc_user(TILE)
        elif memory == "an imported BO":
            buffer = self._neighbour().share(gpu, TILE)
        elif MEMORY[memory] is MemorySort.ALWAYS_VALID:
            buffer = gpu.alloc(TILE, "vram" if memory.endswith("VRAM") else "gtt", always_valid=True)
        elif "VRAM" in memory:
            buffer = gpu.alloc(TILE, "vram", cpu_access=False)
        else:
            domain = "vram|gtt" if memory == MOVED_BUFFER else "gtt"
            buffer = gpu.alloc(TILE, domain, explicit_sync=memory == MADE_EXPLICIT)
        if memory == "an exported BO":
            things.callback(os.close, buffer.export())
        return things.enter_context(buffer)

    def _of(self, memory: MemorySort) -> Buffer | None:
        """A buffer of somebody."""
        return {MemorySort.PRT: None, MemorySort.ALWAYS_VALID: self._always_valid, MemorySort.OTHER: self._ordinary}[
            memory
        ]


def _map(tile: Range, buffer: Buffer | None) -> None:
    if buffer is None:
        tile.map_prt()
    else:
        tile.map(buffer)


class JobsInFlight:
    """Puts work in flight, by its name in `UpdateCase.job`."""

    def __init__(self, gpu: Gpu, shut_gate: ShutGate, running_job: RunningJob) -> None:
        self._gpu = gpu
        self._shut_gate = shut_gate
        self._running_job = running_job
        self._elsewhere = gpu.new_context().queue(Engine.SDMA)
        self._last_ring = gpu.capabilities.rings[Engine.COMPUTE].rings[-1]

    def __call__(self, job: str) -> AbstractContextManager[Held]:
        """The work, for as long as the block lasts."""
        gpu = self._gpu
        if job == QUEUED:
            return self._shut_gate(gpu.compute)
        if job == ELSEWHERE:
            return self._shut_gate(self._elsewhere)
        if job == OLDER:
            return self._older_than_the_newest()
        ring = gpu.context.queue(Engine.COMPUTE, self._last_ring)
        if job == RUNNING:
            return self._running_job(ring)
        require_gangs(gpu)
        other = graphics_ring(gpu)
        return self._running_job(ring, leader=other) if job == MEMBER else self._running_job(ring, member=other)

    @contextmanager
    def _older_than_the_newest(self) -> Iterator[Held]:
        with self._shut_gate(self._gpu.compute) as job:
            for queue in (self._elsewhere, self._gpu.context.queue(Engine.COMPUTE, self._last_ring)):
                queue.submit(queue.packets.nop()).wait()
            yield job


def play(all_cases: Sequence[UpdateCase], stage: UpdateStage, in_flight: JobsInFlight, must: Must, watch: int) -> None:
    """Play cases one after the other; each says in the record what it is."""
    for case in all_cases:
        with stage.set(case) as update, in_flight(case.job) as job:
            must.did(str(case))
            fence = update()
            if case.waits:
                must.not_signal(fence, at_most=watch, while_pending=job)
            else:
                must.signal(fence, within=ms(500), while_pending=job)
        must.signal(fence)
