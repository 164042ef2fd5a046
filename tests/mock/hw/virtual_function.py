# SPDX-License-Identifier: MIT
"""No bug: a GPU that is a virtual function of SR-IOV, which says so and takes no gangs (amdgpu_cs_pass1)."""

from __future__ import annotations

import errno

from amdgpu_hw.gpu_model.gpus import ModelIdentity
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser, amdgpu_cs_pass1
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms import dev_info
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.mock.variants import Variant
from amdgpu_hw.uapi import amdgpu_info as info

BUG = Bug(caught_by=())


@replaces(dev_info._ids_flags)
def ids_flags(original: Original, identity: ModelIdentity, variant: Variant) -> int:
    """Say what it is."""
    flags: int = original(identity, variant)
    return flags | info.AMDGPU_IDS_FLAGS_MODE_VF << info.AMDGPU_IDS_FLAGS_MODE_SHIFT


@replaces(amdgpu_cs_pass1)
def pass1(original: Original, p: AmdgpuCsParser, num_chunks: int, address: int) -> None:
    """Refuse gangs."""
    original(p, num_chunks, address)
    if len(p.jobs) > 1:
        raise KernelError(errno.EINVAL, "a gang on a virtual function")
