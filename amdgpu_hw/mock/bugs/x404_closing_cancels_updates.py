# SPDX-License-Identifier: MIT
"""Who closes the GPU does not wait until its updates have gone to their ring, so that they are cancelled.

amdgpu_flush is there for it.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_wait_idle
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O98",))


@replaces(amdgpu_vm_wait_idle)
def wait_for_nothing(original: Original, vm: AmdgpuVm, deadline: int | None) -> Blocking[None]:
    yield from ()
