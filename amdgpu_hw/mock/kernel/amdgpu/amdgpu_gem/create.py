# SPDX-License-Identifier: MIT
"""GEM_CREATE: amdgpu_gem_create_ioctl and amdgpu_gem_object_create of amdgpu_gem.c.

A buffer that there is room for is made in one plain call. Where others have to be evicted, or a lock or the IB pool
is not free, the same goes on as a generator.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice, drm_to_adev
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.create import init_bo, place_bo, place_bo_evicting
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.drm.drm_exec import drm_exec_fini, lock_all
from amdgpu_hw.mock.kernel.drm.drm_gem import drm_gem_handle_create
from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS, KernelError
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi.amdgpu_drm import (
    AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED,
    AMDGPU_GEM_CREATE_ENCRYPTED,
    AMDGPU_GEM_CREATE_NO_CPU_ACCESS,
    AMDGPU_GEM_CREATE_VM_ALWAYS_VALID,
    AMDGPU_GEM_CREATE_VRAM_CLEARED,
    AMDGPU_GEM_CREATE_VRAM_WIPE_ON_RELEASE,
    AMDGPU_GEM_DOMAIN_CPU,
    AMDGPU_GEM_DOMAIN_DOORBELL,
    AMDGPU_GEM_DOMAIN_GDS,
    AMDGPU_GEM_DOMAIN_GTT,
    AMDGPU_GEM_DOMAIN_GWS,
    AMDGPU_GEM_DOMAIN_MMIO_REMAP,
    AMDGPU_GEM_DOMAIN_OA,
    AMDGPU_GEM_DOMAIN_VRAM,
    GEM_CREATE_IN,
    GEM_CREATE_OUT,
)

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = ("amdgpu_gem_create_ioctl",)

_DOMAIN_MASK = 0xFF
_NORMAL = AMDGPU_GEM_DOMAIN_CPU | AMDGPU_GEM_DOMAIN_GTT | AMDGPU_GEM_DOMAIN_VRAM
_ON_CHIP = AMDGPU_GEM_DOMAIN_GDS | AMDGPU_GEM_DOMAIN_GWS | AMDGPU_GEM_DOMAIN_OA


def amdgpu_gem_create_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int | Blocking[int]:
    """DRM_IOCTL_AMDGPU_GEM_CREATE: the checks of KERNEL.md 2.3, then ENOMEM when nothing fits.

    Leaves out: partitions (xcp).
    """
    adev = drm_to_adev(dev)
    _size, _alignment, domains, flags = GEM_CREATE_IN.unpack_from(data)
    if flags & ~adev.variant.gem_create_settable:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    if adev.variant.refuses_doorbell and domains & AMDGPU_GEM_DOMAIN_DOORBELL:
        raise KernelError(errno.EINVAL, "doorbell BO")
    if domains & ~_DOMAIN_MASK:
        raise KernelError(errno.EINVAL, f"domains {domains:#x}")
    if adev.variant.gem_create_domains_exclude and not _amdgpu_gem_are_domains_valid(domains):
        raise KernelError(errno.EINVAL, f"domains {domains:#x} do not go together")
    if flags & AMDGPU_GEM_CREATE_ENCRYPTED and not adev.identity.chip.tmz:
        raise KernelError(errno.EINVAL, "encrypted BO without TMZ")
    if domains & AMDGPU_GEM_DOMAIN_MMIO_REMAP:
        raise KernelError(errno.EINVAL, "MMIO_REMAP BO")
    always_valid = bool(flags & AMDGPU_GEM_CREATE_VM_ALWAYS_VALID)
    if domains & _ON_CHIP and always_valid:
        adev.err("GDS bo cannot be per-vm-bo")
        raise KernelError(errno.EINVAL, "always-valid BO on chip")
    vm = filp.driver_priv.vm
    resv = vm.root_resv if always_valid else None
    request = _GemCreate(data)
    bo = None
    if not (domains & AMDGPU_GEM_DOMAIN_VRAM and adev.mman.ib_pool.exhausted) and not (
        resv is not None and resv.locked
    ):
        bo = request.init(adev, resv)
        if place_bo(bo):
            return _create_handle(bo, data, filp, caller)
    return _create_sleeping(adev, request, bo, data, filp, caller, resv)


def _amdgpu_gem_are_domains_valid(domains: int) -> bool:
    """Whether there is no special domain among others, special or not."""
    special = domains & ~_NORMAL
    return not special or (not domains & _NORMAL and special.bit_count() == 1)


class _GemCreate:
    """What to try next: `amdgpu_gem_object_create` gives up CPU access and then VRAM if it must."""

    __slots__ = ("alignment", "domains", "flags", "size")

    def __init__(self, data: bytearray) -> None:
        self.size, alignment, self.domains, flags = GEM_CREATE_IN.unpack_from(data)
        self.alignment = alignment & 0xFFFFFFFF
        # New VRAM always reads zero, asked for or not.
        self.flags = flags | AMDGPU_GEM_CREATE_VRAM_CLEARED | AMDGPU_GEM_CREATE_VRAM_WIPE_ON_RELEASE
        if self.domains & _ON_CHIP:
            self.flags |= AMDGPU_GEM_CREATE_NO_CPU_ACCESS

    def init(self, adev: AmdgpuDevice, resv: DmaResv | None) -> AmdgpuBo:
        """Make the buffer, which has no place yet; the errors of the last try."""
        while True:
            try:
                return init_bo(adev, self.size, self.alignment, self.domains, self.flags, resv)
            except KernelError as error:
                self.fall_back(error)

    def fall_back(self, error: KernelError) -> None:
        """Ask for less the next time; raises ``error`` when nothing less will do."""
        if self.flags & AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED and error.errno != ERESTARTSYS:
            self.flags &= ~AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED
        elif self.domains == AMDGPU_GEM_DOMAIN_VRAM and error.errno != ERESTARTSYS:
            self.domains |= AMDGPU_GEM_DOMAIN_GTT
        else:
            raise error


def _create_sleeping(
    adev: AmdgpuDevice,
    request: _GemCreate,
    bo: AmdgpuBo | None,
    data: bytearray,
    filp: DrmFile,
    caller: Caller,
    resv: DmaResv | None,
) -> Blocking[int]:
    """Create a buffer that others have to make room for; ``bo`` has been tried without."""
    try:
        locked = yield from lock_all(() if resv is None else (resv,), interruptible=True)
        try:
            yield from adev.mman.ib_pool.wait()
            while True:
                bo = bo or request.init(adev, resv)
                try:
                    yield from place_bo_evicting(bo)
                except KernelError as error:
                    request.fall_back(error)
                    bo.put()
                    bo = None
                else:
                    placed, bo = bo, None
                    return _create_handle(placed, data, filp, caller)
        finally:
            drm_exec_fini(locked)
    finally:
        if bo is not None:
            bo.put()


def _create_handle(bo: AmdgpuBo, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    bo.label.pid, bo.label.comm = caller.pid, caller.comm
    try:
        handle = drm_gem_handle_create(filp, bo)
    finally:
        bo.put()  # the handle has its own reference
    data[: GEM_CREATE_IN.size] = bytes(GEM_CREATE_IN.size)
    GEM_CREATE_OUT.pack_into(data, 0, handle, 0)
    return 0
