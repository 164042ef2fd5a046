# SPDX-License-Identifier: MIT
"""Open files of amdgpu: what close() waits for, and who a descriptor belongs to (amdgpu_drv.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import amdgpu_ctx_mgr_entity_flush
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import vm as amdgpu_vm
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP
from amdgpu_hw.mock.kernel.drm.drm_file import NodeFile
from amdgpu_hw.mock.kernel.errno_ import KernelError

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller
    from amdgpu_hw.mock.kernel.wait import Blocking

__all__ = ("MAX_WAIT_SCHED_ENTITY_Q_EMPTY", "amdgpu_file_to_fpriv", "amdgpu_flush")


MAX_WAIT_SCHED_ENTITY_Q_EMPTY = 1_000_000_000
"""In ns."""


def amdgpu_flush(dev: DrmDevice, filp: DrmFile, caller: Caller) -> Blocking[None] | None:
    """Hold up close() until what the file has submitted is on the rings; a process that exits waits for 1 s only.

    See KERNEL.md 4.8 and E16. The kernel also kills what is still queued when the process died of SIGKILL; here that
    is left to the release of the file, which nobody can tell apart unless another process has the file too.
    """
    fpriv: AmdgpuFpriv = filp.driver_priv
    vm = fpriv.vm
    entities = [centity.entity for centity in fpriv.ctx_mgr.entities()]
    idle = all(entity.is_idle for entity in (*entities, vm.immediate, vm.delayed))
    if fpriv.adev.variant.flush_waits_root_resv:
        idle = idle and not any(vm.root_resv.iter(DMA_RESV_USAGE_BOOKKEEP))
    if idle:
        return None
    return _amdgpu_flush(fpriv, caller.exiting)


def _amdgpu_flush(fpriv: AmdgpuFpriv, exiting: bool) -> Blocking[None]:
    kernel = fpriv.adev.kernel
    deadline = kernel.now() + MAX_WAIT_SCHED_ENTITY_Q_EMPTY if exiting else None
    yield from amdgpu_ctx_mgr_entity_flush(fpriv.ctx_mgr, deadline)
    if deadline is None and fpriv.adev.variant.flush_waits_root_resv:
        deadline = kernel.now() + MAX_WAIT_SCHED_ENTITY_Q_EMPTY
    yield from amdgpu_vm.amdgpu_vm_wait_idle(fpriv.vm, deadline)


def amdgpu_file_to_fpriv(caller: Caller, fd: int) -> AmdgpuFpriv:
    """Return what belongs to another open file of amdgpu."""
    try:
        file = caller.fget(fd)
    except KernelError:
        raise KernelError(errno.EINVAL, f"descriptor {fd} is not open") from None
    fpriv = file.filp.driver_priv if isinstance(file, NodeFile) else None
    if not isinstance(fpriv, AmdgpuFpriv):
        raise KernelError(errno.EINVAL, f"descriptor {fd} is not an amdgpu file")
    return fpriv
