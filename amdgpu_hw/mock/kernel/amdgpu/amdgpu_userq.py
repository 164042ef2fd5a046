# SPDX-License-Identifier: MIT
"""User queues: amdgpu_userq.c and mes_userqueue.c. On where the driver is told so (user_queue=1), from GFX11 on.

Only compute queues are modelled: graphics and copy queues are not offered. Neither are eviction fences, which nothing
in the model would wait for: a queue stays on the hardware as long as it lives.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.loop import TimerHandle
from amdgpu_hw.gpu_model.page_table import VA_MASK
from amdgpu_hw.gpu_model.user_queue import ModelledUserQueue
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_userq_fence import (
    AmdgpuUserqFence,
    AmdgpuUserqFenceDriver,
    require_user_queues,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_lookup_mapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import (
    AMDGPU_GPU_PAGE_SHIFT,
    AMDGPU_GPU_PAGE_SIZE,
    AmdgpuBoVaMapping,
    AmdgpuVm,
)
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import dma_fence_wait
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.kernel import capable
from amdgpu_hw.mock.kernel.page import PAGE_SIZE
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller
    from amdgpu_hw.mock.variants import Variant

__all__ = ("AmdgpuUsermodeQueue", "amdgpu_userq_ioctl", "amdgpu_userq_mgr_fini")

_FLAGS = drm.AMDGPU_USERQ_CREATE_FLAGS_QUEUE_PRIORITY_MASK | drm.AMDGPU_USERQ_CREATE_FLAGS_QUEUE_SECURE
_IPS = (drm.AMDGPU_HW_IP_GFX, drm.AMDGPU_HW_IP_COMPUTE, drm.AMDGPU_HW_IP_DMA)
_QWORD_SIZE = 8
_QUEUES_MAX = 512
"""AMDGPU_MAX_USERQ_COUNT, of one file."""
_AMDGPU_BO_INVALID_OFFSET = (1 << 64) - 1


class _Qword:
    """A qword that a queue and the CPU share, ``offset`` bytes behind a BO's start; the BO is borrowed."""

    def __init__(self, bo: AmdgpuBo, offset: int) -> None:
        self.bo = bo
        self._offset = offset

    def is_same(self, bo: AmdgpuBo, offset: int) -> bool:
        """Whether it is this qword of this BO."""
        return self.bo is bo and self._offset == offset

    def read(self) -> int:
        """Return what is there now."""
        start = self.bo.host + self._offset
        return int.from_bytes(self.bo.adev.gpu.memory.host.map[start : start + _QWORD_SIZE], "little")

    def write(self, value: int) -> None:
        """Store a number."""
        start = self.bo.host + self._offset
        self.bo.adev.gpu.memory.host.map[start : start + _QWORD_SIZE] = value.to_bytes(_QWORD_SIZE, "little")


class AmdgpuUsermodeQueue:
    """`struct amdgpu_usermode_queue`; it keeps the BOs of its doorbell and its pointers."""

    def __init__(
        self, vm: AmdgpuVm, args: dict[str, int], doorbell: _Qword, wptr: _Qword, rptr: _Qword, comm: str
    ) -> None:
        adev = self.adev = vm.adev
        self.fence_drv = AmdgpuUserqFenceDriver(comm)
        self._wptr = wptr
        self.doorbell = doorbell
        self._bos = [doorbell.bo, wptr.bo, rptr.bo]
        for bo in self._bos:
            bo.get()
        self._hang_detect: TimerHandle | None = None
        self._hw = ModelledUserQueue(
            adev.gpu,
            len(adev.userqs),
            args["queue_va"] & VA_MASK,
            args["queue_size"] // 4,
            vm.page_table,
            adev.identity.vm.first_kfd_vmid,
            doorbell.read,
            rptr.write,
            self._fence_irq,
        )
        adev.userqs[self] = None

    def new_fence(self) -> AmdgpuUserqFence:
        """Return the fence of what is in the ring, as the write pointer in memory says; from now on it may not hang."""
        fence = self.fence_drv.new_fence(self._wptr.read())
        self._watch()
        return fence

    def destroy(self) -> Blocking[None]:
        """Wait, uninterruptibly, for its fences, and take it off the hardware (amdgpu_userq_destroy)."""
        for fence in list(self.fence_drv.fences):
            yield from dma_fence_wait(fence, interruptible=False)
        self._stop()

    def _fence_irq(self, rptr: int) -> None:
        self.fence_drv.process(rptr)
        self._watch()

    def _watch(self) -> None:
        """Have hang detection count anew while anything is pending (amdgpu_userq_start_hang_detect_work)."""
        if self._hang_detect is not None:
            self._hang_detect.cancel()
            self._hang_detect = None
        timeout = self.adev.scheds[drm.AMDGPU_HW_IP_COMPUTE, 0].timeout
        if self.fence_drv.fences and timeout is not None:
            kernel = self.adev.kernel
            self._hang_detect = kernel.timers.call_at(kernel.now() + timeout, self._hung)

    def reset(self) -> None:
        """Take it off the hardware, where it never comes back to, and cancel its fences."""
        self._hw.close()
        self.fence_drv.force_completion(last_only=self.adev.variant.userq_cancels_last_fence_only)
        self._watch()

    def _hung(self) -> None:
        self.adev.err(f"user queue {self._hw.ring.name} hangs: resetting it")
        self.reset()

    def _stop(self) -> None:
        self._watch()
        self._hw.close()
        del self.adev.userqs[self]
        for bo in self._bos:
            bo.put()


def amdgpu_userq_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int | Blocking[int]:
    """DRM_IOCTL_AMDGPU_USERQ: make or free a queue; ENOTSUPP on a device without (amdgpu_userq_enabled)."""
    fpriv: AmdgpuFpriv = filp.driver_priv
    adev = fpriv.adev
    require_user_queues(adev)
    args = drm.USERQ_IN.as_dict(data)
    _validate(args, adev.variant)
    if args["op"] == drm.AMDGPU_USERQ_OP_FREE:
        queue = fpriv.userqs.remove(args["queue_id"])
        if queue is None:
            raise KernelError(errno.ENOENT, f"queue {args['queue_id']}")
        return _free(queue)
    queue_id = fpriv.userqs.alloc(_create(adev, filp, args, caller))
    drm.USERQ_OUT.pack_into(data, 0, queue_id, 0)
    return 0


def _free(queue: AmdgpuUsermodeQueue) -> Blocking[int]:
    yield from queue.destroy()
    return 0


def amdgpu_userq_mgr_fini(fpriv: AmdgpuFpriv) -> Blocking[None]:
    """Destroy the queues of a file that is gone; one that never ends is found to hang.

    Leaves out: the process's context in MES.
    """
    for queue_id, queue in fpriv.userqs.items():
        fpriv.userqs.remove(queue_id)
        yield from queue.destroy()


def _validate(args: dict[str, int], variant: Variant) -> None:
    """Check what needs no lookup (amdgpu_userq_input_args_validate): EINVAL."""
    if args["op"] == drm.AMDGPU_USERQ_OP_FREE:
        others = [name for name, value in args.items() if value and name not in ("op", "queue_id")]
        if others:
            raise KernelError(errno.EINVAL, f"{', '.join(others)} of a queue to be freed")
        return
    if args["op"] != drm.AMDGPU_USERQ_OP_CREATE:
        raise KernelError(errno.EINVAL, f"operation {args['op']}")
    size = args["queue_size"]
    if (
        args["flags"] & ~_FLAGS
        or args["ip_type"] not in _IPS
        or args["queue_va"] in (0, _AMDGPU_BO_INVALID_OFFSET)
        or size < AMDGPU_GPU_PAGE_SIZE
        or size & size - 1
        or not args["wptr_va"]
        or not args["rptr_va"]
    ):
        raise KernelError(errno.EINVAL, "flags, IP, ring or pointers of a queue")
    if variant.userq_pointers_aligned and (args["wptr_va"] | args["rptr_va"]) % _QWORD_SIZE:
        raise KernelError(errno.EINVAL, "a pointer of a queue is not at a qword")


def _create(adev: AmdgpuDevice, filp: DrmFile, args: dict[str, int], caller: Caller) -> AmdgpuUsermodeQueue:
    """Make a queue (amdgpu_userq_create, mes_userq_mqd_create); the order of checks is theirs.

    The kernel locks the page directory while it looks mappings up; nothing sleeps here meanwhile, so it need not.
    """
    vm: AmdgpuVm = filp.driver_priv.vm
    if args["flags"] & drm.AMDGPU_USERQ_CREATE_FLAGS_QUEUE_PRIORITY_MASK >= (
        drm.AMDGPU_USERQ_CREATE_FLAGS_QUEUE_PRIORITY_HIGH
    ) and not (capable(caller) or filp.is_master):
        raise KernelError(errno.EACCES, "priority")
    if not adev.userq_ip_mask >> args["ip_type"] & 1:
        raise KernelError(errno.EINVAL, f"no user queues of IP {args['ip_type']}")
    _lookup_va(vm, args["queue_va"], args["queue_size"], "queue_va")
    variant = adev.variant
    span = _QWORD_SIZE if variant.userq_spans_are_bytes else PAGE_SIZE
    rptr = _lookup_va(vm, args["rptr_va"], span, "rptr_va")
    wptr = _lookup_va(vm, args["wptr_va"], span, "wptr_va")
    doorbell = filp.object_idr.find(args["doorbell_handle"])
    if not isinstance(doorbell, AmdgpuBo) or not _is_doorbell(doorbell):
        raise KernelError(errno.EINVAL, f"no doorbell BO {args['doorbell_handle']}")
    doorbell_at = args["doorbell_offset"] * _QWORD_SIZE
    if doorbell_at + _QWORD_SIZE > doorbell.size:
        raise KernelError(errno.EINVAL, f"doorbell {args['doorbell_offset']} is beyond the BO")
    if args["mqd_size"] != drm.USERQ_MQD_COMPUTE_GFX11.size:
        raise KernelError(errno.EINVAL, f"MQD of {args['mqd_size']} bytes")
    (eop_va,) = drm.USERQ_MQD_COMPUTE_GFX11.unpack_from(caller.copy_from_user(args["mqd"], args["mqd_size"]))
    _lookup_va(vm, eop_va, PAGE_SIZE, "eop_va")
    wptr_qword = _qword(wptr, args["wptr_va"])
    if wptr_qword.bo.size > PAGE_SIZE:
        raise KernelError(errno.EINVAL, "the BO of the write pointer has more than one page")
    rptr_qword = _qword(rptr, args["rptr_va"])
    if variant.userq_doorbell_is_exclusive:
        if any(queue.doorbell.is_same(doorbell, doorbell_at) for queue in adev.userqs):
            raise KernelError(errno.EBUSY, f"doorbell {args['doorbell_offset']} is another queue's")
        # xa_alloc comes last there, and takes the whole queue back; nothing of that can be seen.
        if len(filp.driver_priv.userqs) >= _QUEUES_MAX:
            raise KernelError(errno.EBUSY, "too many queues")
    return AmdgpuUsermodeQueue(vm, args, _Qword(doorbell, doorbell_at), wptr_qword, rptr_qword, filp.comm)


def _is_doorbell(bo: AmdgpuBo) -> bool:
    """Whether a BO can be a doorbell (amdgpu_userq_get_doorbell_index); SET_PLACEMENT takes that from one in 7.2."""
    if bo.adev.variant.userq_doorbell_is_exclusive and not bo.preferred_domains & drm.AMDGPU_GEM_DOMAIN_DOORBELL:
        return False
    return bo.domain == drm.AMDGPU_GEM_DOMAIN_DOORBELL


def _lookup_va(vm: AmdgpuVm, va: int, size: int, name: str) -> AmdgpuBoVaMapping:
    """Return the one mapping that covers a range of ``size`` bytes (amdgpu_userq_input_va_validate): EINVAL."""
    first = (va & VA_MASK) >> AMDGPU_GPU_PAGE_SHIFT
    mapping = amdgpu_vm_bo_lookup_mapping(vm, first)
    if vm.adev.variant.userq_spans_are_bytes:
        last = (va & VA_MASK) + size - 1 >> AMDGPU_GPU_PAGE_SHIFT
    else:
        last = first + (size >> AMDGPU_GPU_PAGE_SHIFT) - 1
    if mapping is None or mapping.last < last:
        raise KernelError(errno.EINVAL, f"{name} {va:#x} is not mapped")
    return mapping


def _qword(mapping: AmdgpuBoVaMapping, va: int) -> _Qword:
    """Return the memory at an address of a mapping; EINVAL where there is none.

    That is a PRT mapping, the end of a BO, or (here alone) a BO whose pages are the client's or not there yet.
    """
    bo = None if mapping.bo_va is None else mapping.bo_va.bo
    offset = (va & VA_MASK) - (mapping.start << AMDGPU_GPU_PAGE_SHIFT) + mapping.offset
    if bo is None or bo.host < 0 or offset + _QWORD_SIZE > bo.size:
        raise KernelError(errno.EINVAL, f"no memory of the driver's at {va:#x}")
    return _Qword(bo, offset)
