# SPDX-License-Identifier: MIT
"""WAIT_FENCES for all ends at the first submission that is too old to have a fence: those behind it are not waited for.

amdgpu_cs_wait_all_fences with `break` in place of `continue`. With one submission of more than 32 ago in the array in
front of one in flight it says that all are done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.wait import _amdgpu_cs_get_fence, _amdgpu_cs_wait_all_fences
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O90",))


@replaces(_amdgpu_cs_wait_all_fences)
def wait_all(
    original: Original, fpriv: AmdgpuFpriv, records: Iterable[tuple[int, ...]], deadline: int | None
) -> Blocking[bool]:
    return (yield from original(fpriv, _up_to_an_old_one(fpriv, records), deadline))


def _up_to_an_old_one(fpriv: AmdgpuFpriv, records: Iterable[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    for ctx_id, ip_type, instance, ring, sequence in records:
        if _amdgpu_cs_get_fence(fpriv, ctx_id, ip_type, instance, ring, sequence) is None:
            return
        yield ctx_id, ip_type, instance, ring, sequence
