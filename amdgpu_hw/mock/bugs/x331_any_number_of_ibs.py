# SPDX-License-Identifier: MIT
"""A submission may have any number of IBs, also more than its ring has room for.

amdgpu_cs_p1_ib counts them since amdgpu_ring_max_ibs came, between 6.1 and 6.12.
"""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("O82",), variant={"limits_ibs": False})
