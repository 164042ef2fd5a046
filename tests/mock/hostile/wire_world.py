# SPDX-License-Identifier: MIT
"""What `values.Request` needs, over the wire: a client of a running machine, with real memory and descriptors."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import struct
from collections.abc import Iterator

from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from amdgpu_hw.uapi import sw_sync as sw

from .audited_machine import AuditedMachine
from .gpu_client import COMPUTE, GFX, IB_VA, SDMA, VGEM, GpuClient
from .values import PAGE, va_of
from .wire_client import INTERRUPT, WireClient

CARD = "/dev/dri/card0"
ARENA = 256 * PAGE
ZEROS_SIZE = 64 << 20
ASLEEP_S = 0.005
"""A call that has not ended after this is taken to sleep; one that merely is slow is not harmed by what follows."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
for _name in ("mprotect", "munmap"):
    getattr(_libc, _name).argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * (_name == "mprotect")]


class Arena:
    """Memory of this process: for arguments, then a read-only page, a writable one, and nothing behind that."""

    def __init__(self) -> None:
        read_write = mmap.PROT_READ | mmap.PROT_WRITE
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._base = int(_libc.mmap(None, ARENA + 3 * PAGE, read_write, private, -1, 0))
        self._read_only = self._base + ARENA
        self._end = self._read_only + 2 * PAGE
        assert not _libc.mprotect(self._read_only, PAGE, mmap.PROT_READ)
        assert not _libc.munmap(self._end, PAGE)
        self._zeros = int(_libc.mmap(None, ZEROS_SIZE, mmap.PROT_READ, private, -1, 0))
        self._next = self._base

    def close(self) -> None:
        """Unmap it."""
        _libc.munmap(self._base, ARENA + 2 * PAGE)
        _libc.munmap(self._zeros, ZEROS_SIZE)

    def rewind(self) -> None:
        """As `values.Memory`."""
        self._next = self._base

    def alloc(self, content: bytes) -> int:
        """As `values.Memory`."""
        address: int = self._next
        self._next += -(-len(content) // 16) * 16 + 16
        assert self._next < self._read_only, "an ioctl with arguments of a megabyte"
        self.write(address, content)
        return address

    def write(self, address: int, content: bytes) -> None:
        """As `values.Memory`."""
        ctypes.memmove(address, content, len(content))

    def place(self, name: str) -> int:
        """As `values.Memory`."""
        return {"read_only": self._read_only, "end": self._end, "zeros": self._zeros}[name]


class WireWorld:
    """A client with everything that the templates name."""

    def __init__(self, machine: AuditedMachine, memory: Arena, gpu: str = "navi31") -> None:
        self._machine = machine
        self.memory = memory
        self._asleep: list[WireClient] = []
        self._fds_before = _open_fds()
        self._client = machine.client()
        self._turn = False
        try:
            self._populate(gpu)
        except BaseException:
            self.end()
            raise
        self.memory.rewind()

    def _populate(self, gpu_name: str) -> None:
        client = self._client
        gpu = GpuClient(client, gpu_name)
        self._gpu = gpu
        vram, always_valid = drm.AMDGPU_GEM_DOMAIN_VRAM, drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID
        bos = [gpu.bo(4 * PAGE), gpu.bo(4 * PAGE, vram), gpu.bo(4 * PAGE, vram, always_valid), gpu.bo()]
        for number, handle in enumerate(bos[:3]):
            gpu.map(handle, va_of(number), 4 * PAGE)
        gpu.prt(va_of(3), 64 * PAGE)
        entries = b"".join(drm.BO_LIST_ENTRY.pack(bo_handle=handle) for handle in bos)
        client.ioctl(
            gpu.fd,
            drm.IOCTL_AMDGPU_BO_LIST,
            bo_number=len(bos),
            bo_info_size=drm.BO_LIST_ENTRY.size,
            bo_info_ptr=self.memory.alloc(entries),
        )
        for number in range(6):
            client.ioctl(gpu.fd, core.IOCTL_SYNCOBJ_CREATE, flags=int(number == 1))
        for point in (3, 7):
            client.ioctl(
                gpu.fd,
                core.IOCTL_SYNCOBJ_TIMELINE_SIGNAL,
                handles=self.memory.alloc(struct.pack("<I", 3)),
                points=self.memory.alloc(struct.pack("<Q", point)),
                count_handles=1,
            )
        ib = drm.CS_CHUNK_IB.pack(va_start=IB_VA, ib_bytes=0, ring=0)
        self.ibs = {ip: ib[:20] + struct.pack("<I", ip) + ib[24:] for ip in (GFX, COMPUTE, SDMA)}
        card, vgem, timeline = (client.open(path) for path in (CARD, VGEM, sw.PATH))
        client.ioctl(vgem, core.IOCTL_MODE_CREATE_DUMB, width=64, height=64, bpp=32)
        fence = client.ioctl(timeline, sw.IOCTL_CREATE_FENCE, value=5)["fence"]
        client.ioctl(gpu.fd, core.IOCTL_SYNCOBJ_FD_TO_HANDLE, handle=4, fd=fence, flags=1)
        buf = client.ioctl(gpu.fd, core.IOCTL_PRIME_HANDLE_TO_FD, handle=bos[0], flags=core.DRM_RDWR)["fd"]
        vgem_buf = client.ioctl(vgem, core.IOCTL_PRIME_HANDLE_TO_FD, handle=1, flags=core.DRM_RDWR)["fd"]
        syncobj = client.ioctl(gpu.fd, core.IOCTL_SYNCOBJ_HANDLE_TO_FD, handle=1)["fd"]
        foreign = [os.eventfd(0), os.open("/dev/null", os.O_RDWR)]
        self.fds = [gpu.fd, card, vgem, timeline, fence, buf, vgem_buf, syncobj, *foreign]
        self._kinds = len(self.fds)

    def ioctl(self, fd: int, request: int, argument: int, ending: str) -> int:
        """As `values.World`; "kill" ends the thread."""
        client = self._client
        if not _is_open(fd):
            return errno.EBADF
        # Every other request brings its argument along, as the preload library does; the others leave it where it is.
        self._turn = not self._turn
        if self._turn:
            client.send_argument(argument, request >> 16 & 0x3FFF)
        client.post_ioctl(fd, request, argument)
        with contextlib.suppress(TimeoutError):
            return self._end(client, argument)
        if ending == "interrupt":
            client.tell(INTERRUPT)
            with contextlib.suppress(TimeoutError):
                return self._end(client, argument)
        if ending == "kill":
            client.close()
        else:
            self._asleep.append(client)
        self._client = self._machine.client()
        return errno.EINPROGRESS

    @staticmethod
    def _end(client: WireClient, argument: int) -> int:
        result = client.wait(ASLEEP_S).result
        return -result if client.receive_answer(argument) else errno.EFAULT

    def adopt_fds(self) -> None:
        """As `values.World`."""
        fresh = sorted(_open_fds() - self._fds_before - set(self.fds[: self._kinds]))
        self.fds = self.fds[: self._kinds] + [fd for fd in fresh if _is_mock(fd)][-4:]

    def end(self) -> None:
        """The client goes, without a word."""
        for client in (*self._asleep, self._client):
            client.close()
        # A number that was somebody else's before may have become free, and a mock file's, in between.
        left = {fd for fd in _open_fds() if fd not in self._fds_before or _is_mock(fd)}
        for fd in left:
            with contextlib.suppress(OSError):
                os.close(fd)


def _open_fds() -> set[int]:
    """Descriptors of this process, one that is closed by now among them."""
    return {int(name) for name in os.listdir("/proc/self/fd")}


def _is_open(fd: int) -> bool:
    return fd >= 0 and os.path.lexists(f"/proc/self/fd/{fd}")


def _is_mock(fd: int) -> bool:
    try:
        return os.fstat(fd).st_mode == 0o147531
    except OSError:
        return False


@contextlib.contextmanager
def wire_world(machine: AuditedMachine, memory: Arena) -> Iterator[WireWorld]:
    """A world for one example; nothing of it is left at the end."""
    here = WireWorld(machine, memory)
    try:
        yield here
    finally:
        here.end()
    machine.expect_rest()
