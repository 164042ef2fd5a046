# SPDX-License-Identifier: MIT
"""A window of addresses, the buffers that programs map into it, and what the GPU and the kernel say is there.

Only pages that must be mapped are ever read, so a right kernel never faults; PRT pages only where the copy engine may
(KERNEL.md 3.10).
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Sequence
from typing import NoReturn, Self

from amdgpu_hw.address_space import Operation
from amdgpu_hw.errors import DrmError, FeatureMissing, errno_name
from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.evidence.mapping_info import stored_mappings
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, MiB
from amdgpu_hw.packets import Sdma
from amdgpu_hw.proof.absence import Absence
from amdgpu_hw.proof.fixtures import drain
from amdgpu_hw.proof.programs.actions import KINDS, PAGES, SUBMIT, Action, Close, Step
from amdgpu_hw.proof.programs.oracle import PRT, Extent, MappedPage, Oracle
from amdgpu_hw.proof.record import Broken
from amdgpu_hw.proof.units import duration, ms
from amdgpu_hw.submit import Submission
from amdgpu_hw.sync import Syncobj

__all__ = ("Window",)

_COMPLETE_NS = ms(5000)
_NOTHING_READ = 0xBADC0DED
_ABSENT = 3
"""How many pages of each sort are looked at: every read is a fault."""
_ZEROS = bytes(PAGE_SIZE)
# The kernel tells addresses without the sign bits of their canonical form (KERNEL.md 3.1).
_VA_SPAN = 1 << 48
# A dword of a buffer: its number above, its page below.
_TAG_SHIFT = 12
_TAG_PAGES = (1 << _TAG_SHIFT) - 1


class Window:
    """Reserved addresses with a buffer of each kind, and the oracle that goes with them; a context manager.

    What does not end as the oracle says raises `Broken` with the program so far. With ``absence``, looking makes the
    GPU fault at pages that nothing may be mapped at.
    """

    _numbers = itertools.count(1)

    def __init__(self, gpu: Gpu, absence: Absence | None = None) -> None:
        self._gpu = gpu
        self._absence = absence
        self._range = gpu.reserve(PAGES * PAGE_SIZE, 2 * MiB)
        self._landing = gpu.alloc(PAGES * PAGE_SIZE, always_valid=True)
        self._landing_range = gpu.reserve(PAGES * PAGE_SIZE)
        self._landing_range.map(self._landing)
        self._buffers: dict[str, Buffer] = {}
        self._tags: dict[str, int] = {}
        self._reads_prt = gpu.identity.sdma_version >= (4, 0, 0)
        self._tells_mappings = True
        self._fault = vm_fault(gpu)
        for name in KINDS:
            self._buffers[name], self._tags[name] = self._successor(name)
        self._begin()

    def _begin(self) -> None:
        self.oracle = Oracle({name: kind.pages for name, kind in KINDS.items()})
        self.actions: list[Action] = []
        self._lines: list[str] = []
        self.is_broken = False

    # -- a program's steps --------------------------------------------------------------------------------------

    def do(self, action: Action) -> None:
        """Do one thing."""
        self.actions.append(action)
        self._lines.append(str(action))
        if isinstance(action, Step):
            self._do_step(action)
        elif isinstance(action, Close):
            self.close_buffer(action.name)
        elif action is SUBMIT:
            self.submit()
        else:
            self._look()

    def _do_step(self, step: Step) -> None:
        expected, error = step.foretell(self.oracle), self.gem_va(step)
        self._lines[-1] += f" -> {errno_name(error)}" if error else ""
        if error != expected:
            must = f"it must be refused with {errno_name(expected)}" if expected else "it must be accepted"
            self.broken(f"the last call {f'gave {errno_name(error)}' if error else 'was accepted'}: {must}")

    def gem_va(self, step: Step, out: Syncobj | None = None) -> int:
        """Make one call, whatever it must answer; its errno. ``out`` gets its update fence."""
        buffer = None if step.owner == PRT or step.operation is Operation.CLEAR else self._buffers[step.owner]
        va, size = self._range.va + step.first * PAGE_SIZE, step.count * PAGE_SIZE
        try:
            # The flags have the rest in them already.
            self._gpu.address_space.update(
                step.operation, step.flags, va, size, buffer, step.index * PAGE_SIZE, out=out
            )
        except DrmError as error:
            return error.errno or 0
        return 0

    def close_buffer(self, name: str) -> None:
        """GEM_CLOSE; another buffer of its kind takes the name."""
        self.oracle.close(name)
        self._buffers[name].close()
        self._buffers[name], self._tags[name] = self._successor(name)

    def settle(self) -> None:
        """See all that is delayed done: a submission queues it, and what comes behind is waited for (KERNEL.md E3)."""
        self.submit()
        drain(self._gpu)

    # -- looking ------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """What the kernel tells, and what the GPU reads now and once nothing delayed is left, must be the oracle's."""
        for name in KINDS:
            found, due = self.mappings(name), self.oracle.extents(name)
            if found is not None and found != due:
                self.broken(f"of {name} the kernel has {self.told(name)}, but it must have {_extents(due)}")
        # The first submission queues delayed work, and nothing makes it wait for the clears in it (KERNEL.md E3).
        for when in ("", " after the delayed work is done"):
            for page, cell, data in self.contents():
                if data != self.due(cell):
                    self.broken(
                        f"at W+{page * PAGE_SIZE:#x} the GPU read {self.words(data)}{when}, but it must read "
                        f"{self.words(self.due(cell))}"
                    )
            drain(self._gpu)
        if self._absence is not None:
            self._look_for_what_went(self._absence)

    def _look_for_what_went(self, absence: Absence) -> None:
        """Nothing may be at what went last, nor right beside what is mapped."""
        mapped = self.oracle.pages
        beside = {near for page in mapped for near in (page - 1, page + 1) if 0 <= near < PAGES and near not in mapped}
        beside -= self.oracle.unsure
        went = self.oracle.absent()
        # The ends of what went: a wrong edge shows there.
        ends = [page for page in went if page - 1 not in went or page + 1 not in went]
        for page in dict.fromkeys((*ends[:_ABSENT], *sorted(beside)[:_ABSENT], *sorted(beside)[-1:])):
            if not absence.is_absent(self._range.va + page * PAGE_SIZE):
                self.broken(f"at W+{page * PAGE_SIZE:#x}, where nothing is mapped any more, a read raised no VM fault")
        self._fault = vm_fault(self._gpu)

    def mappings(self, name: str) -> list[Extent] | None:
        """The mappings of a buffer in this window, as the kernel tells; None if this kernel does not (before 6.18)."""
        try:
            stored = stored_mappings(self._gpu, self._buffers[name]) if self._tells_mappings else None
        except FeatureMissing:
            self._tells_mappings, stored = False, None
        if stored is None:
            return None
        return [
            Extent((one.va - self._range.va) % _VA_SPAN // PAGE_SIZE, one.size // PAGE_SIZE, one.offset // PAGE_SIZE)
            for one in stored
        ]

    def told(self, name: str) -> str:
        """`mappings` in words."""
        return _extents(self.mappings(name) or [])

    def contents(self) -> Iterator[tuple[int, MappedPage, bytes]]:
        """Each page that may be read, what the oracle has there, and what a copy by the GPU brought."""
        mapped = sorted(self.oracle.pages.items(), key=lambda item: item[0])
        cells = [(page, cell) for page, cell in mapped if self._reads_prt or cell.owner != PRT]
        pages = [page for page, _ in cells]
        words: list[int] = []
        for first, count in _runs(pages):
            self._landing.write(first * PAGE_SIZE, _page_of(_NOTHING_READ) * count)
            at = first * PAGE_SIZE
            words += self._sdma.copy(self._range.va + at, self._landing_range.va + at, count * PAGE_SIZE)
        submission = self.submit(words)
        if not submission.wait(_COMPLETE_NS):
            self.broken(f"{submission}, a copy of all that is mapped, has not completed after {duration(_COMPLETE_NS)}")
        fault = vm_fault(self._gpu)
        if fault != self._fault:
            self.broken(f"while the GPU read what must be mapped, there was a {fault}")
        landed = self._landing.map()
        for page, cell in cells:
            yield page, cell, bytes(landed[page * PAGE_SIZE : (page + 1) * PAGE_SIZE])

    def words(self, data: bytes) -> str:
        """What a page holds, by the first of its dwords, e.g. ``page 3 of A``."""
        (value,) = struct.unpack_from("<I", data)
        if value == _NOTHING_READ:
            return "nothing"
        named = next((name for name, tag in self._tags.items() if tag == value & ~_TAG_PAGES), None)
        return f"page {value & _TAG_PAGES} of {named}" if named is not None else f"{value:#x}"

    def due(self, cell: MappedPage) -> bytes:
        """What a page must hold."""
        if cell.owner == PRT:
            return _ZEROS
        return _page_of(self._tags[cell.owner] | cell.index)

    # -- the end ------------------------------------------------------------------------------------------------

    def broken(self, what: str) -> NoReturn:
        """Raise `Broken` with what is wrong and the program that leads there."""
        self.is_broken = True
        steps = "\n".join(f"  {number}. {text}" for number, text in enumerate(self._lines, 1))
        legend = "\n".join(f"  {name}: {kind}" for name, kind in KINDS.items() if name in self._used())
        raise Broken(f"{what}.\nThe program, with W at {self._range.va:#_x}:\n{steps}\n{legend}".rstrip())

    def _used(self) -> set[str]:
        return {name for name in KINDS if any(f"bo={name}" in text or f"({name})" in text for text in self._lines)}

    def reset(self) -> None:
        """Leave the window as it was at first: nothing mapped, nothing delayed, no entry left of what was."""
        self.settle()
        # Not CLEAR alone: what was unmapped before it was rewritten leaves entries that CLEAR does not see (E6).
        self._range.replace_prt(out=None)
        self._range.clear(out=None)
        drain(self._gpu)
        self._fault = vm_fault(self._gpu)
        self._begin()

    def close(self) -> None:
        """Give everything back."""
        for one in (self._range, self._landing_range):
            one.close()
        drain(self._gpu)
        for buffer in (self._landing, *self._buffers.values()):
            buffer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _successor(self, name: str) -> tuple[Buffer, int]:
        """A new buffer of a kind, each page of which says whose it is, and by what number."""
        kind = KINDS[name]
        buffer = self._gpu.alloc(kind.pages * PAGE_SIZE, kind.domain, always_valid=kind.always_valid)
        tag = next(self._numbers) << _TAG_SHIFT
        buffer.write(0, b"".join(_page_of(tag | page) for page in range(kind.pages)))
        return buffer, tag

    def submit(self, words: Sequence[int] = ()) -> Submission:
        """Submit packets, or a NOP; it queues what is delayed."""
        self.oracle.submitted()
        return self._gpu.sdma.submit(words or self._sdma.nop(), buffers=self._listed())

    def _listed(self) -> list[Buffer]:
        """The buffers that a submission has to list: what is always valid need not be."""
        return [buffer for buffer in self._buffers.values() if not buffer.always_valid]

    @property
    def _sdma(self) -> Sdma:
        packets = self._gpu.sdma.packets
        assert isinstance(packets, Sdma)
        return packets


def _page_of(dword: int) -> bytes:
    return struct.pack("<I", dword) * (PAGE_SIZE // 4)


def _runs(pages: list[int]) -> list[tuple[int, int]]:
    """Ascending pages as runs: first page and how many."""
    runs: list[tuple[int, int]] = []
    for page in pages:
        if runs and page == sum(runs[-1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((page, 1))
    return runs


def _extents(extents: list[Extent]) -> str:
    mappings = (
        f"W+{one.first * PAGE_SIZE:#x}+{one.count * PAGE_SIZE:#x} from {one.index * PAGE_SIZE:#x}" for one in extents
    )
    return ", ".join(mappings) or "no mapping"
