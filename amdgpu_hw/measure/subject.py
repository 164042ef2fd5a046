# SPDX-License-Identifier: MIT
"""The mappings that are taken away and put back, as calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from amdgpu_hw.address_space import Operation
from amdgpu_hw.errors import DrmError, HarnessError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm.sampling import Call
from amdgpu_hw.measure.calls import update_call
from amdgpu_hw.memory import Buffer
from amdgpu_hw.uapi import amdgpu_drm as uapi

__all__ = ("Subjects",)

_ALIGNMENT = 2 << 20
"""Of the range: large sizes can then be large page-table entries, as a game's tiles are."""


class Subjects:
    """One range of the address space, and the buffers that can be mapped there.

    ``buffers`` has None for PRT mappings, which have no memory; ``missing`` says why a mapping cannot be had.
    """

    def __init__(self, gpu: Gpu, mappings: tuple[str, ...], largest: int, timeout_ns: int) -> None:
        self.range = gpu.reserve(largest, _ALIGNMENT)
        self.update, self.restored = gpu.syncobj(), gpu.syncobj()
        self.missing: dict[str, str] = {}
        self._buffers: dict[str, Buffer | None] = {}
        self._timeout_ns = timeout_ns
        for mapping in mappings:
            try:
                self._buffers[mapping] = None if mapping == "PRT" else self._allocate(gpu, mapping, largest)
            except DrmError as error:
                self.missing[mapping] = f"{mapping}: no buffer of {largest} bytes ({error.errno_name})"

    @property
    def buffers(self) -> Mapping[str, Buffer | None]:
        """By mapping."""
        return self._buffers

    def _allocate(self, gpu: Gpu, mapping: str, size: int) -> Buffer:
        buffer = gpu.alloc(size, "vram", always_valid=mapping == "always-valid", cpu_access=False)
        if not buffer.wait_idle(self._timeout_ns):
            raise HarnessError(f"the kernel did not clear a new buffer within {self._timeout_ns / 1e9:g} s")
        return buffer

    def operation(self, operation: str, mapping: str, size: int, *, explicit: bool) -> Call:
        """Take the mapping away; REPLACE puts a PRT mapping there, as RADV does when it takes memory out."""
        kind = Operation[operation]
        buffer = self._buffers[mapping] if kind is Operation.UNMAP else None
        flags = uapi.AMDGPU_VM_EXPLICIT_SYNC if explicit else 0
        return update_call(kind, self.range.va, size, self.update, buffer=buffer, flags=flags)

    def restore(self, operation: str, mapping: str, size: int) -> Call:
        """Put it back."""
        kind = Operation.REPLACE if operation == Operation.REPLACE.name else Operation.MAP
        return update_call(kind, self.range.va, size, self.restored, buffer=self._buffers[mapping])

    def map(self, mapping: str, size: int) -> None:
        """Make the mapping for the first operation, in place of any other."""
        part, buffer = self.range.part(0, size), self._buffers[mapping]
        self.range.clear()
        update = part.map_prt() if buffer is None else part.map(buffer)
        if not update.wait(self._timeout_ns):
            raise HarnessError(f"the GPU did not finish {update} within {self._timeout_ns / 1e9:g} s")

    def close(self) -> None:
        """Give everything back."""
        self.range.close()
        for buffer in self._buffers.values():
            if buffer is not None:
                buffer.close()
        self.update.close()
        self.restored.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
