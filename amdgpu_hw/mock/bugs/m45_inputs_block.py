# SPDX-License-Identifier: MIT
"""Input fences are waited for inside the ioctl, as before the series."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug
from amdgpu_hw.mock.variants import InputFences

BUG = Bug(caught_by=("B23a",), variant={"input_fences": InputFences.BLOCK}, slow=True)
