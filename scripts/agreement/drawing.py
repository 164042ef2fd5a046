# SPDX-License-Identifier: MIT
"""Draws the programs that both machines run."""

from __future__ import annotations

import hypothesis.strategies as st

from agreement.program import SYNCOBJS, Door, Program, Sync, SyncOperation
from amdgpu_hw.proof.programs.actions import KINDS, Close
from amdgpu_hw.proof.programs.drawn import draw_programs
from amdgpu_hw.proof.programs.search import drawing
from amdgpu_hw.uapi import drm

__all__ = ("draw",)

_FLAGS = (
    0,
    drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL,
    drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
    drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE,
    1 << 4,
)
_FLAGS_OF = {
    SyncOperation.TRANSFER: (0, 0, 1),
    SyncOperation.WAIT: _FLAGS,
    SyncOperation.WAIT_POINT: _FLAGS,
    SyncOperation.QUERY: (0, drm.DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED, 2),
}

_number = st.integers(0, SYNCOBJS - 1)
_point = st.sampled_from((0, 1, 2, 3, 5))


def _sync(operation: SyncOperation) -> st.SearchStrategy[Sync]:
    return st.builds(
        Sync, st.just(operation), _number, _point, _number, _point, st.sampled_from(_FLAGS_OF.get(operation, (0,)))
    )


_others: st.SearchStrategy[Close | Door | Sync] = st.one_of(
    st.sampled_from((Door.SHUT, Door.SHUT, Door.OPEN, Door.SUBMIT, *map(Close, KINDS))),
    st.sampled_from((Door.SHUT, Door.SUBMIT)),
    st.sampled_from((*SyncOperation, SyncOperation.HOLD, SyncOperation.HOLD)).flatmap(_sync),
)


def draw(programs: int, number: int) -> list[Program]:
    """So many programs; the same for the same seed. In every other one a gate is shut from its second step on."""
    drawn = draw_programs(drawing(programs), number, _others)
    return [(*program[:1], *([Door.SHUT] if at % 2 else []), *program[1:]) for at, program in enumerate(drawn)]
