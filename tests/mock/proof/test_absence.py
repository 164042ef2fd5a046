# SPDX-License-Identifier: MIT
"""Proof of absence, on a driver that forgets faults which come too often."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE
from amdgpu_hw.proof import absence
from amdgpu_hw.proof.absence import Absence
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.record import NotTestable

MAPPED = 0x40000
BURST = 10


class _Gpu:
    """A GPU whose driver takes note of so many faults at a time: all others are forgotten until it is waited for."""

    identity = SimpleNamespace(gc_version=(9, 0, 0), driver_version=(3, 64))

    def __init__(self, burst: int) -> None:
        self.left = self.burst = burst
        self.reserved = 0x100000
        self.waits = 0
        self._told: dict[str, int] | None = None

    def reserve(self, size: int) -> SimpleNamespace:
        self.reserved += size
        return SimpleNamespace(va=self.reserved)

    def last_vm_fault(self) -> dict[str, int] | None:
        return self._told

    # As the view of it:

    def sample(self, addresses: Sequence[int]) -> list[int]:
        for va in addresses:
            if va != MAPPED and self.left > 0:
                self.left -= 1
                self._told = {"addr": va}
        return [0] * len(addresses)

    def provoke_fault(self) -> str:
        if not self.left:
            self.left = self.burst
            self.waits += 1
        self.sample([self.reserve(PAGE_SIZE).va])
        return "a fault"


@pytest.fixture(autouse=True)
def _faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absence, "_FAULT_NS", 0)


def _absence(gpu: _Gpu) -> Absence:
    return Absence(cast(Gpu, gpu), cast(GpuView, gpu))


@pytest.mark.parametrize("burst", [2, 3, BURST])
def test_a_fault_that_the_driver_forgot_is_no_entry_that_was_left(burst: int) -> None:
    """printk_ratelimit allows ten in five seconds; others print as well, so that any of ours may be the last."""
    gpu = _Gpu(burst)
    asked = _absence(gpu)
    assert all(asked.is_absent(page * PAGE_SIZE) for page in range(3 * BURST))
    assert gpu.waits >= 3 * BURST // burst - 1


@pytest.mark.parametrize("before", range(BURST + 1))
def test_what_is_mapped_is_not_absent(before: int) -> None:
    """However many faults were told before."""
    gpu = _Gpu(BURST)
    asked = _absence(gpu)
    assert all(asked.is_absent(page * PAGE_SIZE) for page in range(before))
    assert not asked.is_absent(MAPPED)


def test_where_the_kernel_tells_too_few_faults_nothing_is_concluded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting has an end before the test's, and what would help is told."""
    monkeypatch.setattr(absence, "_LONGEST_NS", 0)
    asked = _absence(_Gpu(1))
    asked.is_absent(0)
    with pytest.raises(NotTestable, match=r"sysctl kernel\.printk_ratelimit=0") as caught:
        asked.is_absent(PAGE_SIZE)
    assert caught.value.missing == "fault_reports"
