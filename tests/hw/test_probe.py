# SPDX-License-Identifier: MIT
"""What user space finds out by probing holds for everything that the flag can be used for."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.must import Must


@behaviour(
    "B50",
    "explicit operations are all accepted, or all refused with EINVAL, as the probe said",
    rule="Drivers ask once, with a CLEAR of nothing, and go by the answer ever after.",
)
def test_the_probe_speaks_for_all_operations(gpu: Gpu, must: Must, always_valid: Buffer) -> None:
    """What is refused has changed nothing: the same without the flag is accepted right after it."""
    page = gpu.reserve(PAGE_SIZE)
    expected = 0 if gpu.capabilities.explicit_sync else errno.EINVAL

    def calls() -> Iterator[tuple[str, int, Callable[[], object]]]:
        yield "explicit MAP", expected, lambda: page.map(always_valid, explicit_sync=True)
        yield "explicit REPLACE", expected, lambda: page.replace(always_valid, explicit_sync=True)
        yield "REPLACE", 0, lambda: page.replace(always_valid)
        yield "explicit UNMAP", expected, lambda: page.unmap(always_valid, explicit_sync=True)
        yield "explicit REPLACE by PRT", expected, lambda: page.replace_prt(explicit_sync=True)
        yield "REPLACE by PRT", 0, page.replace_prt
        yield "explicit UNMAP of PRT", expected, lambda: page.unmap_prt(explicit_sync=True)
        yield "explicit CLEAR", expected, lambda: page.clear(explicit_sync=True)
        yield "CLEAR", 0, page.clear

    must.answer(f"all operations with the flag; the probe said {gpu.capabilities.explicit_sync.why}", calls())
