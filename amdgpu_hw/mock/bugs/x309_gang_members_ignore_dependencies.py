# SPDX-License-Identifier: MIT
"""Of a gang the leader alone waits for what the submission depends on; its members start at once.

Between 6.1 and 6.12 amdgpu_cs_sync_rings stopped copying the leader's fences to each member, and pushes the
submission's fences to every job.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import amdgpu_cs_sync_rings
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O52",))


@replaces(amdgpu_cs_sync_rings)
def sync_rings(original: Original, p: AmdgpuCsParser, bo_list: AmdgpuBoList) -> None:
    jobs, leader = p.jobs, p.gang_leader_idx
    p.jobs, p.gang_leader_idx = [p.gang_leader], 0
    try:
        original(p, bo_list)
    finally:
        p.jobs, p.gang_leader_idx = jobs, leader
