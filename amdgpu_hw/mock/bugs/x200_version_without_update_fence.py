# SPDX-License-Identifier: MIT
"""Update fences are silently ignored, as before Linux 6.16, but the driver's version promises them."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug
from amdgpu_hw.mock.variants import OutFence

BUG = Bug(caught_by=("O50",), variant={"out_fence": OutFence.IGNORED})
