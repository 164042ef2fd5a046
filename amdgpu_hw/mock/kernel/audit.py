# SPDX-License-Identifier: MIT
"""What clients hold of the mock kernel: every count is 0 when the last of them is gone and its work is done."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = ("audit",)


def audit(kernel: Kernel) -> dict[str, int]:
    """Count what the kernel keeps for its clients, over all devices; ``vram`` and ``gtt`` are in bytes.

    What a sleeping call or a running job still needs counts as well, also after its client has gone.
    """
    counts = Counter(
        {
            "tasks": len(kernel.work.sleepers),
            "files": 0,
            "masters": 0,
            "handles": 0,
            "syncobj handles": 0,
            "objects": 0,
            "object names": 0,
            "mmap offsets": 0,
            "contexts": 0,
            "BO lists": 0,
            "user queues": 0,
            "address spaces": 0,
            "mappings": 0,
            "reserved VMIDs": 0,
            "pinned clocks": 0,
            "jobs queued": 0,
            "jobs on rings": 0,
            "IB pool": 0,
            "vram": 0,
            "gtt": 0,
            "leaked updates": 0,
        }
    )
    for dev in kernel.drm_devices:
        counts.update(_audit_drm(dev))
        if isinstance(dev.dev_private, AmdgpuDevice):
            counts.update(_audit_amdgpu(dev, dev.dev_private))
    return dict(counts)


def _audit_drm(dev: DrmDevice) -> dict[str, int]:
    return {
        "files": len(dev.filelist),
        "masters": dev.master is not None,
        "handles": sum(len(filp.object_idr) for filp in dev.filelist),
        "syncobj handles": sum(len(filp.syncobj_idr) for filp in dev.filelist),
        "objects": dev.object_count,
        "object names": len(dev.object_name_idr),
        "mmap offsets": len(dev.vma_offsets),
    }


def _audit_amdgpu(dev: DrmDevice, adev: AmdgpuDevice) -> dict[str, int]:
    fprivs = [filp.driver_priv for filp in dev.filelist if isinstance(filp.driver_priv, AmdgpuFpriv)]
    queues = [entity.job_queue for sched in adev.scheds.values() for rq in sched.sched_rq for entity in rq.entities]
    mman = adev.mman
    return {
        "contexts": sum(len(fpriv.ctx_mgr.contexts) for fpriv in fprivs),
        "BO lists": sum(len(fpriv.bo_list_handles) for fpriv in fprivs),
        "user queues": len(adev.userqs),
        "address spaces": len(adev.vms),
        "mappings": sum(len(vm.va) for vm in adev.vms.values()),
        "reserved VMIDs": sum(len(manager.reserved) for manager in adev.id_mgr.values()),
        "pinned clocks": adev.stable_pstate_ctx is not None,
        "jobs queued": sum(len(queue) for queue in queues),
        "jobs on rings": sum(len(ring.fence_drv.pending) for ring in adev.rings),
        "IB pool": mman.ib_pool.used,
        "vram": mman.vram.used,
        "gtt": mman.gtt.used,
        "leaked updates": len(adev.vm_manager.leaked_update_ctx),
    }
