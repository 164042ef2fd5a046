# SPDX-License-Identifier: MIT
"""A machine in the test's process: GPU, vgem and sw_sync, a hostile client, and another one that must not notice."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import signal
import time
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import cast

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.drv import probe
from amdgpu_hw.mock.kernel.audit import audit
from amdgpu_hw.mock.kernel.dma_buf import sw_sync
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.kernel import Kernel
from amdgpu_hw.mock.kernel.vgem import vgem_drv
from amdgpu_hw.mock.variants import VARIANTS
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from amdgpu_hw.uapi import sw_sync as sw
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, PAGE, SDMA, Client
from tests.mock.kernel.fake_caller import MEMORY_BASE, MEMORY_SIZE, Call, FakeCaller

from .values import va_of

MS = 1_000_000
LOCKUP_NS = 5 * MS
"""A job that hangs is ended after this: tests cannot wait for the 10 s of a real kernel."""
PATIENCE_S = 20.0
REST_NS = 8000 * MS
"""Longer than anything a kernel waits for by itself (5 s, for a syncobj to get a fence)."""
READ_ONLY = MEMORY_BASE + MEMORY_SIZE - 2 * PAGE
"""A page that the kernel cannot write to; the one behind it is writable, and then nothing is mapped."""
UNMAPPED = MEMORY_BASE + MEMORY_SIZE
ZEROS = 0x6000_0000_0000
"""A terabyte of zeros to read: an array there may be as long as a client says."""
ZEROS_SIZE = 1 << 40
COPY_MAX = 64 << 20
"""What a real transport copies at a time (transport/client.py)."""
SCRATCH = MEMORY_BASE + MEMORY_SIZE // 2

RENDER, CARD, VGEM = "/dev/dri/renderD128", "/dev/dri/card0", "/dev/dri/card1"
VRAM, GTT, ALWAYS_VALID = drm.AMDGPU_GEM_DOMAIN_VRAM, drm.AMDGPU_GEM_DOMAIN_GTT, drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID


class Hang(BaseException):
    """The mock kernel did not come back. No Exception: it must not be taken for a failure of the kernel's code."""


@contextlib.contextmanager
def watchdog(seconds: float = PATIENCE_S) -> Iterator[None]:
    """Raise `Hang` when what is inside takes longer."""

    def bark(_number: int, _frame: FrameType | None) -> None:
        raise Hang(f"the mock kernel did not come back within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class HostileCaller(FakeCaller):
    """A client thread with a read-only page, a hole, a terabyte of zeros, and memory that is used again."""

    def copy_from_user(self, addr: int, length: int) -> bytes:
        if length > COPY_MAX:
            raise KernelError(errno.ENOMEM, f"{length} bytes")
        if ZEROS <= addr <= ZEROS + ZEROS_SIZE - length:
            return bytes(length)
        return super().copy_from_user(addr, length)

    def copy_to_user(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        if addr < READ_ONLY + PAGE and addr + len(data) > READ_ONLY:
            raise KernelError(errno.EFAULT, "read-only")
        super().copy_to_user(addr, data)

    def foreign_fd(self, fd: int) -> int:
        file = self.files.get(fd)
        if not isinstance(file, int):
            raise KernelError(errno.EBADF)
        return os.dup(file)

    def rewind(self) -> None:
        """Use the scratch memory again."""
        self._next_address = SCRATCH

    write = copy_to_user

    def place(self, name: str) -> int:
        """An address that is special."""
        return {"read_only": READ_ONLY, "end": UNMAPPED, "zeros": ZEROS}[name]

    def alloc(self, content: bytes | int) -> int:
        if self._next_address + len(bytes(content)) + 64 > READ_ONLY:
            self.rewind()
        return super().alloc(content)


class HostileClient(Client):
    """`amdgpu_client.Client` with that caller."""

    caller_type = HostileCaller


class World:
    """A booted machine with two clients.

    ``client`` has BOs, syncobjs, a BO list, submissions and descriptors of every kind, with small numbers so that
    hostile ones hit. ``victim`` has a buffer in VRAM and one in GTT, filled.
    """

    def __init__(self, gpu: str = "navi31", variant: str = "series-fixed") -> None:
        self.kernel = Kernel(
            dataclasses.replace(VARIANTS[variant], lockup_timeout_ns=LOCKUP_NS, compute_lockup_timeout_ns=LOCKUP_NS)
        )
        self.adev = probe(self.kernel, load_identity(gpu), 0)
        vgem_drv.probe(self.kernel, 1)
        sw_sync.probe(self.kernel)
        self._asleep: list[Call] = []
        """Calls of the client that have not ended."""
        self.foreign: list[int] = []
        """Descriptors of this process that the client has."""
        self.at_rest = audit(self.kernel)
        self.victim = HostileClient(self.adev, pid=os.getppid())
        self._fill_victim()
        self.with_victim = audit(self.kernel)
        self.client = HostileClient(self.adev)
        self.caller = self.memory = cast(HostileCaller, self.client.caller)
        self._populate()
        self.caller.rewind()

    # -- what is there ------------------------------------------------------------------------------------------------

    def _fill_victim(self) -> None:
        victim = self.victim
        self.secrets = {}
        for domain in (VRAM, GTT):
            handle = victim.bo(2 * PAGE, domain)
            victim.settle()
            secret = os.urandom(16) * (2 * PAGE // 16)
            victim.write(handle, secret)
            self.secrets[handle] = secret

    def _populate(self) -> None:
        client, caller = self.client, self.caller
        # BO 1 is the area for IBs; these are 2 to 5.
        self.bos = [
            client.bo(4 * PAGE, GTT),
            client.bo(4 * PAGE, VRAM),
            client.bo(4 * PAGE, VRAM, ALWAYS_VALID),
            client.bo(PAGE, GTT),
        ]
        for number, handle in enumerate(self.bos[:3]):
            client.map(handle, va_of(number), 4 * PAGE)
        client.va_op(drm.AMDGPU_VA_OP_MAP, 0, va_of(3), 64 * PAGE, drm.AMDGPU_VM_PAGE_PRT)
        client.ioctl(drm.IOCTL_AMDGPU_BO_LIST, **self._bo_list())
        self.syncobjs = [client.syncobj() for _ in range(6)]
        client.ioctl(core.IOCTL_SYNCOBJ_SIGNAL, handles=caller.u32s(2), count_handles=1)
        for point in (3, 7):
            client.ioctl(
                core.IOCTL_SYNCOBJ_TIMELINE_SIGNAL,
                handles=caller.u32s(3),
                points=caller.u64s(point),
                count_handles=1,
            )
        engines = (GFX, COMPUTE, SDMA) if self.adev.identity.rings.gfx else (COMPUTE, SDMA)
        self.ibs = {ip: client.ib_chunk(ip) for ip in engines}
        """IB chunks of IBs that do nothing."""
        for ip in engines:
            client.cs((drm.AMDGPU_CHUNK_ID_IB, self.ibs[ip]))
        self.fds = [client.fd, caller.open(CARD), caller.open(VGEM), caller.open(sw.PATH)]
        _, self.card, self.vgem, self.sw_sync = self.fds
        caller.ioctl(self.vgem, core.IOCTL_MODE_CREATE_DUMB, width=64, height=64, bpp=32)
        fence = caller.ioctl(self.sw_sync, sw.IOCTL_CREATE_FENCE, value=5)["fence"]
        client.ioctl(
            core.IOCTL_SYNCOBJ_FD_TO_HANDLE,
            handle=4,
            fd=fence,
            flags=core.DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE,
        )
        dma_buf = client.ioctl(core.IOCTL_PRIME_HANDLE_TO_FD, handle=self.bos[0], flags=core.DRM_RDWR)["fd"]
        vgem_buf = caller.ioctl(self.vgem, core.IOCTL_PRIME_HANDLE_TO_FD, handle=1, flags=core.DRM_RDWR)["fd"]
        syncobj = client.ioctl(core.IOCTL_SYNCOBJ_HANDLE_TO_FD, handle=1)["fd"]
        self.foreign = [os.eventfd(0), os.open("/dev/null", os.O_RDWR)]
        self.fds += [fence, dma_buf, vgem_buf, syncobj, *(caller.add_foreign(fd) for fd in self.foreign)]
        self._kinds = len(self.fds)

    def _bo_list(self) -> Mapping[str, int]:
        entries = b"".join(drm.BO_LIST_ENTRY.pack(bo_handle=handle) for handle in self.bos)
        return {
            "operation": drm.AMDGPU_BO_LIST_OP_CREATE,
            "bo_number": len(self.bos),
            "bo_info_size": drm.BO_LIST_ENTRY.size,
            "bo_info_ptr": self.caller.alloc(entries),
        }

    # -- calls --------------------------------------------------------------------------------------------------------

    def ioctl(self, fd: int, request: int, argument: int, ending: str = "interrupt") -> int:
        """An ioctl to its end: 0 or an errno. One that sleeps is ended: by a signal, by SIGKILL, or not at all."""
        call: Call = self.caller.start_raw(fd, request, argument).settle()
        if not call.done and ending == "interrupt":
            call.interrupt()
        elif not call.done and ending == "kill":
            call.kill()
            call.settle()
        if not call.done:
            self._asleep.append(call)
        return call.error if call.done else errno.EINPROGRESS

    def adopt_fds(self) -> None:
        """Use descriptors that calls have given, the newest ones, in place of the last ones of `fds`."""
        fresh = [fd for fd in self.caller.files if fd not in self.fds]
        self.fds = self.fds[: self._kinds] + fresh[-4:]

    def settle(self) -> None:
        """Run what can run now."""
        self.client.settle()

    # -- afterwards ---------------------------------------------------------------------------------------------------

    def end_client(self) -> None:
        """The client's process ends: its threads are killed, its files are closed for it."""
        self._kill()
        self.caller.exiting = True
        for fd in list(self.caller.files):
            self.caller.close(fd)
        for fd in self.foreign:
            os.close(fd)
        self.foreign = []

    def _kill(self) -> None:
        """SIGKILL for the threads that sleep; those in state D get it later."""
        self._asleep = [call for call in self._asleep if not call.done and not call.kill()]

    def wait_for_rest(self, at_rest: Mapping[str, int]) -> None:
        """Run the kernel until it holds nothing but what it held before."""
        give_up = self.kernel.now() + REST_NS
        while left := self.left(at_rest):
            next_run = self.kernel.run_pending()
            self._kill()
            now = self.kernel.now()
            if next_run is None or now > give_up:
                sleepers = "\n".join(map(repr, self.kernel.work.sleepers))
                raise AssertionError(
                    f"left behind: {left}; asleep: {sleepers}; the log:\n{self.kernel.log.text()[-4000:]}"
                )
            if next_run:
                time.sleep(max(0.0, (min(next_run, give_up) - now) / 1e9))

    def left(self, at_rest: Mapping[str, int]) -> dict[str, int]:
        """What is there and was not before."""
        counts = audit(self.kernel)
        return {name: count for name, count in counts.items() if count != at_rest[name]}

    def check(self) -> None:
        """After the client has ended: nothing of it is left, nothing of the kernel failed, the victim can work."""
        self.expect_sound()
        self.wait_for_rest(self.with_victim)
        self.expect_sound()
        for handle, secret in self.secrets.items():
            if self.adev.vram_lost_counter and self.victim.object(handle).domain == VRAM:
                continue  # The hostile client's job made a reset necessary, as it may.
            assert self.victim.read(handle, len(secret)) == secret, "another client's buffer has changed"
        ctx = self.victim.new_ctx()
        ip = GFX if self.adev.identity.rings.gfx else SDMA
        sequence = self.victim.submit(ip, ctx=ctx)
        self.victim.wait(ip, sequence, ctx=ctx)
        self.victim.ioctl(drm.IOCTL_AMDGPU_CTX, op=drm.AMDGPU_CTX_OP_FREE_CTX, ctx_id=ctx)

    def end(self) -> None:
        """Everybody ends, and nothing at all is left."""
        self.victim.caller.close(self.victim.fd)
        self.wait_for_rest(self.at_rest)
        self.expect_sound()
        self.adev.gpu.close()

    def expect_sound(self) -> None:
        """No code of the kernel has failed."""
        assert not self.kernel.oopses, f"the mock kernel has failed:\n{self.kernel.log.text()[-6000:]}"


@contextlib.contextmanager
def world(gpu: str = "navi31", variant: str = "series-fixed") -> Iterator[World]:
    """A world for one example: watched, and audited at its end."""
    with watchdog():
        here = World(gpu, variant)
        try:
            yield here
        finally:
            here.end_client()
        here.check()
        here.end()
