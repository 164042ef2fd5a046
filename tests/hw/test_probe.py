# SPDX-License-Identifier: MIT
"""What user space finds out by probing holds for all that the flag can be used for, and is what the version says."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.must import Must

PROMISED = {"prt": (3, 13), "timeline_syncobj": (3, 32), "update_fence": (3, 64), "input_fence": (3, 64)}
"""The driver version from which on user space counts on what a probe looks for (KERNEL.md 0.2, 0.3)."""


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


@behaviour(
    "O50",
    "what the driver's version promises is there: PRT, timeline syncobjs, both fences of GEM_VA",
    rule="User space goes by the version (KMS_DRIVER_MINOR of amdgpu_drv.c); what rests on them can be tested.",
)
@pytest.mark.parametrize("name", PROMISED)
def test_the_version_promises_what_the_probe_finds(gpu: Gpu, must: Must, name: str) -> None:
    """Without this row a kernel that has lost one of them is a kernel with fewer rows, and green."""
    version, probe = gpu.identity.driver_version, gpu.capabilities.probes()[name]
    spelled = f"amdgpu {version[0]}.{version[1]}"
    must.did(f"probed {name}")
    if version < PROMISED[name]:
        must.note(f"{spelled} promises no {name}")
        return
    first = ".".join(map(str, PROMISED[name]))
    otherwise = f"{spelled} lacks {name}, which user space counts on from {first} on: {probe.why}"
    must.be(probe.supported, seen=probe.why, otherwise=otherwise, kind="errno")
