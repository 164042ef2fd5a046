# SPDX-License-Identifier: MIT
"""What `GpuView` makes sure of before a test concludes anything from what it does not see."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer
from amdgpu_hw.proof import access
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.record import Inconclusive

NOTHING = 0xFFFF_8001_0000_0000
TOLD = {"addr": 0x8001_0000_0000, "status": 0x1, "vmhub": 0}
EARLIER = {"addr": 0x8001_2222_0000, "status": 0x1, "vmhub": 0}


class _View(GpuView):
    """Of a GPU whose driver tells about the fault of the read with this number, from 1 on; 0: of none."""

    def __init__(self, told: int) -> None:
        self.reads, self.told = 0, told
        fakes: Any = SimpleNamespace(reserve=lambda _: SimpleNamespace(va=NOTHING), last_vm_fault=self.fault)
        self._gpu = cast(Gpu, fakes)

    def fault(self) -> dict[str, int]:
        return TOLD if 0 < self.told <= self.reads else EARLIER

    def read(self, va: int, size: int, buffers: Sequence[Buffer] = ()) -> bytes:
        assert va == NOTHING
        self.reads += 1
        return bytes(size)


@pytest.mark.parametrize("told", [1, 3])
def test_a_fault_is_provoked_until_the_kernel_tells_it(told: int) -> None:
    """The driver leaves out faults that come too often; one that it told before, at another address, does not count."""
    view = _View(told)
    assert view.provoke_fault() == "VM fault at 0x8001_0000_0000, status 0x1"
    assert view.reads == told


def test_where_no_fault_is_told_nothing_is_concluded(monkeypatch: pytest.MonkeyPatch) -> None:
    """None can be missed there."""
    monkeypatch.setattr(access, "_REPORTS_NS", 500_000_000)
    view = _View(0)
    with pytest.raises(Inconclusive, match="tells about no VM fault"):
        view.provoke_fault()
    assert view.reads > 1
