# SPDX-License-Identifier: MIT
"""Pages of a client that the GPU reaches (amdgpu_hmm.c).

The GPU reads and writes the client's memory itself, wherever it is at that moment, so nothing has to be pinned and no
page can be stale. What is missing is the notifier: on a real kernel munmap() waits for the jobs that use the pages;
here such a job finds nothing, which is logged.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GEM_USERPTR_ANONONLY, AMDGPU_GEM_USERPTR_READONLY

if TYPE_CHECKING:
    from collections.abc import Callable

    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = ("UserPages", "amdgpu_hmm_register", "check_user_pages_owner")

_ULONG_MAX = (1 << 64) - 1


class UserPages:
    """Pages of a client behind a BO, at the client's address ``addr``; a `ForeignMemory` of the GPU's memory."""

    __slots__ = ("_mm", "_one_vma", "_report", "_reported", "addr", "flags", "pid")

    def __init__(self, caller: Caller, addr: int, flags: int, report: Callable[[str], None], *, one_vma: bool) -> None:
        """``one_vma``: anonymous pages have to be in one area of the process."""
        self._one_vma = one_vma
        self._mm = caller.grab_mm()
        self._report = report
        self._reported: set[str] = set()
        self.pid = caller.pid
        """Process whose memory it is (`usermm`)."""
        self.addr = addr
        self.flags = flags

    @property
    def readonly(self) -> bool:
        """Whether the GPU may not write to them."""
        return bool(self.flags & AMDGPU_GEM_USERPTR_READONLY)

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes; zeros where the client has no memory any more."""
        try:
            return self._mm.copy_from_user(self.addr + offset, size)
        except KernelError as error:
            self._report_once("reads", error)
            return bytes(size)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Store bytes; drops them where the client has no memory any more."""
        try:
            self._mm.copy_to_user(self.addr + offset, data)
        except KernelError as error:
            self._report_once("writes", error)

    def _report_once(self, what: str, error: KernelError) -> None:
        """Jobs that poll would fill the log."""
        if what not in self._reported:
            self._reported.add(what)
            self._report(f"a job {what} user pages that are gone: {error.why}")

    def fault_in(self, size: int) -> None:
        """`hmm_range_fault`: ESRCH, EFAULT or EPERM unless all pages are there with the rights that are needed."""
        vmas = self._mm.find_vmas(self.addr, size)
        if not vmas or vmas[0].start > self.addr:
            raise KernelError(errno.EFAULT, f"nothing is mapped at {self.addr:#x}")
        if self.flags & AMDGPU_GEM_USERPTR_ANONONLY and vmas[0].has_file:
            raise KernelError(errno.EPERM, f"the memory at {self.addr:#x} is not anonymous")
        if self.flags & AMDGPU_GEM_USERPTR_ANONONLY and self._one_vma and self.addr + size > vmas[0].end:
            raise KernelError(errno.EPERM, f"the anonymous memory at {self.addr:#x} ends before")
        at = self.addr
        for vma in vmas:
            if vma.start > at or not vma.readable:
                break
            if not self.readonly and not vma.writable:
                raise KernelError(errno.EPERM, f"the memory at {vma.start:#x} is read-only")
            at = vma.end
        if at < self.addr + size:
            raise KernelError(errno.EFAULT, f"nothing can be read at {at:#x}")

    def release(self) -> None:
        """The BO is gone (amdgpu_hmm_unregister)."""
        self._mm.put()


def amdgpu_hmm_register(addr: int, size: int) -> None:
    """Refuse a range that no notifier can watch: EOVERFLOW when it wraps around (mmu_interval_notifier_insert).

    Leaves out: the notifier itself.
    """
    if addr + size - 1 > _ULONG_MAX:
        raise KernelError(errno.EOVERFLOW, f"{size:#x} bytes at {addr:#x} wrap around")


def check_user_pages_owner(bo: AmdgpuBo, pid: int) -> None:
    """Refuse a userptr BO to all processes but the one whose memory it is: EPERM."""
    if bo.user_pages is not None and bo.user_pages.pid != pid:
        raise KernelError(errno.EPERM, f"user pages of process {bo.user_pages.pid}")
