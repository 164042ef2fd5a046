# SPDX-License-Identifier: MIT
"""What two results may differ in."""

from __future__ import annotations

from typing import Any

import pytest

from amdgpu_hw.measure.mismatch import comparable, subject
from tests.mock.measure.made_up import conditions


def test_two_runs_of_the_same_are_comparable() -> None:
    """Nothing differs, and what does not matter may."""
    assert comparable(conditions(), conditions(python="3.13.1", pinned_cpu=1, started="later")) == []
    assert subject(conditions(), conditions()) == "run"


@pytest.mark.parametrize(
    ("changes", "of"),
    [
        ({"mock_kernel": "base", "driver_version": (3, 64)}, "kernel"),
        ({"mock_kernel": "", "kernel_version": "#2 SMP"}, "kernel"),
        ({"gpu_name": "MI300X", "gc_version": (9, 4, 3), "pci_address": "0000:c1:00.0", "firmware": {}}, "GPU"),
    ],
)
def test_what_is_compared_may_differ_in_all_that_belongs_to_it(changes: dict[str, Any], of: str) -> None:
    """A kernel has another driver version, a GPU another firmware."""
    assert subject(conditions(), conditions(**changes)) == of
    assert comparable(conditions(), conditions(**changes)) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"simulated": False}, "time: simulated against real"),
        ({"gpu_time": 0.5}, "simulated time factor: 1 against 0.5"),
        ({"libdrm": "2.4.134"}, "libdrm: 2.4.114 against 2.4.134"),
        ({"firmware": {"ME": "0x2"}}, "firmware ME: 0x1 against 0x2"),
        ({"module_parameters": {}}, "module parameter vm_update_mode: -1 against none"),
        ({"governors": {"cpu0": "powersave"}}, "governor: performance against powersave"),
        ({"pinned_cpu": None}, "pinned: to a CPU against no"),
        ({"pstate": ""}, "power state: standard against none"),
        ({"load_average": (2.5, 0.5, 0.5)}, "load average: 0.50 against 2.50"),
        ({"options": {"samples": 40, "in flight": 1}}, "option samples: 20 against 40"),
        ({"driver_version": (3, 64)}, "driver version: 3.65 against 3.64"),
        ({"driver": "other"}, "driver: amdgpu against other"),
    ],
)
def test_each_other_difference_is_named(changes: dict[str, Any], sentence: str) -> None:
    """With what it was on either side."""
    assert [str(each) for each in comparable(conditions(), conditions(**changes))] == [sentence]


def test_when_kernel_and_gpu_both_differ_the_gpu_is_a_mismatch() -> None:
    """Nobody can say which of the two made the difference."""
    names = [each.name for each in comparable(conditions(), conditions(mock_kernel="base", gpu_name="MI300X"))]
    assert names == ["GPU"]
