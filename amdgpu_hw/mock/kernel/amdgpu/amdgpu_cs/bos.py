# SPDX-License-Identifier: MIT
"""Where a submission's buffers have to be: amdgpu_cs_parser_bos and amdgpu_cs_bo_validate (amdgpu_cs.c).

Every buffer that was evicted comes back if the rate of moves allows it, else it is used where it is. Most submissions
find everything in place.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_hmm import check_user_pages_owner
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo, amdgpu_bo_placement_from_domain
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ttm import amdgpu_ttm_tt_get_user_pages
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import vm as amdgpu_vm
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.ttm.ttm_bo.validate import ttm_bo_validate
from amdgpu_hw.mock.kernel.ttm.types import TtmOperationCtx
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser

__all__ = ("amdgpu_cs_parser_bos", "fault_in_user_pages")


def fault_in_user_pages(bo_list: AmdgpuBoList) -> None:
    """Make sure, before anything is locked, that the pages of all userptr BOs are there: EFAULT, EPERM, ESRCH."""
    for bo in bo_list.userptrs:
        amdgpu_ttm_tt_get_user_pages(bo)


def amdgpu_cs_parser_bos(p: AmdgpuCsParser, bo_list: AmdgpuBoList) -> Blocking[None]:
    """Bring the VM's and the listed buffers, which are locked, to where they are wanted.

    ENOMEM when they do not fit, EPERM for user pages of another process, ERESTARTSYS on a signal.

    Leaves out: what is done before: the list, the user pages and the locks (`cs`); GART for the user fence, and the
    resources on the chip.
    """
    for bo in bo_list.userptrs:
        check_user_pages_owner(bo, p.caller.pid)
    adev, vm = p.adev, p.fpriv.vm
    adev.mman.mm_stats.last_cs = adev.kernel.now()
    if not adev.mman.unsettled and not amdgpu_vm.needs_validation(vm):
        return
    mover = _Mover(p)
    try:
        yield from amdgpu_vm.amdgpu_vm_validate(adev, vm, mover.validate)
        bos = bo_list.bos if p.uf_bo is None else (*bo_list.bos, p.uf_bo)
        for bo in bos:
            if not bo.settled:
                yield from mover.validate(bo)
    except KernelError as error:
        if error.errno == errno.ENOMEM:
            adev.err("*ERROR* Not enough memory for command submission!")
        raise
    finally:
        adev.mman.mm_stats.report_moved(mover.moved, mover.moved_visible)


class _Mover:
    """What one submission has moved, and how much it may."""

    __slots__ = ("_threshold", "_threshold_visible", "adev", "moved", "moved_visible")

    def __init__(self, p: AmdgpuCsParser) -> None:
        self.adev = p.adev
        self.moved = 0
        self.moved_visible = 0
        mman = p.adev.mman
        self._threshold, self._threshold_visible = mman.mm_stats.threshold()

    def validate(self, bo: AmdgpuBo) -> Blocking[None]:
        """Move a buffer to where it is preferred, or only to where it may be (amdgpu_cs_bo_validate)."""
        if bo.pin_count:
            return
        domains = self._domains(bo)
        try:
            yield from self._try(bo, domains)
        except KernelError as error:
            if error.errno != errno.ENOMEM or domains == bo.allowed_domains:
                raise
            yield from self._try(bo, bo.allowed_domains)

    def _domains(self, bo: AmdgpuBo) -> int:
        """Moves are throttled; what importers have mapped does not move for this."""
        if self.moved >= self._threshold or (bo.dma_buf is not None and bo.dma_buf.attachments):
            return bo.allowed_domains
        if (
            not self.adev.mman.vram_full_visible
            and bo.flags & AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED
            and self.moved_visible >= self._threshold_visible
        ):
            return bo.allowed_domains
        return bo.preferred_domains

    def _try(self, bo: AmdgpuBo, domains: int) -> Blocking[None]:
        ctx = TtmOperationCtx(resv=bo.resv, ticket=bo.resv.ticket)
        # Each move is a job of the pool.
        yield from self.adev.mman.ib_pool.wait()
        try:
            yield from ttm_bo_validate(bo, amdgpu_bo_placement_from_domain(bo, domains), ctx)
        finally:
            self.moved += ctx.bytes_moved
            if not self.adev.mman.vram_full_visible and bo.cpu_visible:
                self.moved_visible += ctx.bytes_moved
