# SPDX-License-Identifier: MIT
"""How times, sizes and addresses read."""

from __future__ import annotations

import pytest

from amdgpu_hw.memory import KiB, MiB
from amdgpu_hw.proof.units import address, duration, ms, size


@pytest.mark.parametrize(
    ("ns", "text"),
    [(40_000, "40 µs"), (400_000, "0.4 ms"), (ms(20.3), "20.3 ms"), (ms(500), "500 ms"), (ms(5000), "5.0 s")],
)
def test_times_read_in_fitting_units(ns: int, text: str) -> None:
    """Microseconds to seconds."""
    assert duration(ns) == text


def test_sizes_and_addresses_read_as_in_a_mail() -> None:
    """Round ones in binary units, odd ones in bytes."""
    assert [size(64 * MiB), size(4 * KiB), size(4097)] == ["64 MiB", "4 KiB", "4097 bytes"]
    assert address(0x8000_0400_0000, 64 * MiB) == "0x8000_0400_0000+64 MiB"
