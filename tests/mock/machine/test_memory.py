# SPDX-License-Identifier: MIT
"""Memory of mock GPUs in the hands of real processes: mapped, shared, forked, over-committed."""

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from amdgpu_hw.mock.machine import Machine

Run = Callable[[str], list[str]]

PRELUDE = """
import ctypes, fcntl, mmap, os, signal, socket, sys, time
from amdgpu_hw import open_gpu
from amdgpu_hw.errors import DrmError
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.packets import Engine, codec_for
from amdgpu_hw.uapi import amdgpu_drm as drm, amdgpu_info as info, drm as core
PAGE, VRAM, GTT = 4096, drm.AMDGPU_GEM_DOMAIN_VRAM, drm.AMDGPU_GEM_DOMAIN_GTT
fd = os.open("/dev/dri/renderD128", os.O_RDWR | os.O_CLOEXEC)
def say(*words):
    print(*words, flush=True)
def create(size, domain=GTT, fd=fd):
    return ioctl(fd, drm.IOCTL_AMDGPU_GEM_CREATE, out=drm.GEM_CREATE_OUT, bo_size=size, domains=domain)["handle"]
def map_cpu(handle, size, fd=fd):
    where = ioctl(fd, drm.IOCTL_AMDGPU_GEM_MMAP, out=drm.GEM_MMAP_OUT, handle=handle)["addr_ptr"]
    return mmap.mmap(fd, size, offset=where)
def close(handle, fd=fd):
    ioctl(fd, core.IOCTL_GEM_CLOSE, handle=handle)
def export(handle, fd=fd):
    return ioctl(fd, core.IOCTL_PRIME_HANDLE_TO_FD, handle=handle, flags=core.DRM_CLOEXEC | core.DRM_RDWR)["fd"]
def import_(dmabuf, fd=fd):
    argument = bytearray(core.PRIME_HANDLE.pack(fd=dmabuf))
    fcntl.ioctl(fd, core.IOCTL_PRIME_FD_TO_HANDLE.request, argument)
    return core.PRIME_HANDLE.as_dict(argument)["handle"]
def in_child(function):
    pid = os.fork()
    if not pid:
        try:
            function()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    return pid
def status(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


@pytest.fixture
def run(output_of: Callable[[str | list[str]], list[str]]) -> Run:
    """Run a script with the helpers above on the machine."""
    return lambda script: output_of(PRELUDE + script)


def test_a_mapping_outlives_its_buffer_in_every_process(run: Run) -> None:
    """After GEM_CLOSE, also of a forked child: nobody else's buffer is in the pages, and nobody else sees them."""
    output = run("""
for domain in (GTT, VRAM):
    handle = create(PAGE, domain)
    mapping = map_cpu(handle, PAGE)
    mapping[:6] = b"parent"
    ready, wait = os.pipe(), os.pipe()
    def child():
        os.read(wait[0], 1)
        assert mapping[:6] == b"parent"
        mapping[:6] = b"child!"
    pid = in_child(child)
    close(handle)
    others = [map_cpu(create(PAGE, domain), PAGE) for _ in range(64)]
    say(all(other[:6] == bytes(6) for other in others))
    for other in others:
        other[:6] = b"others"
    os.write(wait[1], b"x")
    say(status(pid), mapping[:6], {other[:6] for other in others})
""")
    assert output == ["True", "0 b'child!' {b'others'}"] * 2


def test_a_mapping_outlives_its_device(run: Run) -> None:
    """The descriptor and the process that made the buffer may be gone."""
    output = run("""
left, right = socket.socketpair()
def child():
    own = os.open("/dev/dri/renderD128", os.O_RDWR | os.O_CLOEXEC)
    handle = create(PAGE, VRAM, own)
    map_cpu(handle, PAGE, own)[:4] = b"kept"
    socket.send_fds(left, [b"x"], [export(handle, own)])
pid = in_child(child)
_, (dmabuf,), _, _ = socket.recv_fds(right, 1, 1)
say(status(pid))
mapping = mmap.mmap(dmabuf, PAGE)
say(mapping[:4], os.lseek(dmabuf, 0, os.SEEK_END))
os.close(dmabuf)
map_cpu(create(PAGE, VRAM), PAGE)[:4] = b"new!"
say(mapping[:4])
""")
    assert output == ["0", "b'kept' 4096", "b'kept'"]


def test_a_mapping_cannot_be_stretched_into_other_buffers(run: Run) -> None:
    """What lies behind a buffer is nothing: SIGBUS, not the next one's bytes."""
    output = run("""
handles = [create(PAGE) for _ in range(3)]
mappings = [map_cpu(handle, PAGE) for handle in handles]
mappings[1][:6] = b"secret"
libc = ctypes.CDLL(None)
libc.mremap.restype = ctypes.c_void_p
def child():
    address = ctypes.addressof(ctypes.c_char.from_buffer(mappings[0]))
    moved = libc.mremap(ctypes.c_void_p(address), ctypes.c_size_t(PAGE), ctypes.c_size_t(2 * PAGE), 1)
    os._exit(9 if moved in (None, ctypes.c_void_p(-1).value) else 10 + (ctypes.string_at(moved + PAGE, 6) == b"secret"))
say(status(in_child(child)))
""")
    assert output in ([str(-signal.SIGBUS)], ["9"])


def test_two_processes_share_a_buffer_by_descriptor(run: Run) -> None:
    """Of one GPU: one object, one set of bytes; importing one's own gives the same handle."""
    output = run("""
left, right = socket.socketpair()
handle = create(4 * PAGE, VRAM)
mapping = map_cpu(handle, 4 * PAGE)
dmabuf = export(handle)
say(import_(dmabuf) == handle)
def child():
    own = os.open("/dev/dri/renderD128", os.O_RDWR | os.O_CLOEXEC)
    _, (received,), _, _ = socket.recv_fds(right, 1, 1)
    theirs = import_(received, own)
    os.close(received)
    theirs_mapped = map_cpu(theirs, 4 * PAGE, own)
    assert theirs_mapped[PAGE:PAGE + 4] == b"mine"
    theirs_mapped[2 * PAGE:2 * PAGE + 6] = b"theirs"
    close(theirs, own)
pid = in_child(child)
mapping[PAGE:PAGE + 4] = b"mine"
socket.send_fds(left, [b"x"], [dmabuf])
say(status(pid), mapping[2 * PAGE:2 * PAGE + 6])
""")
    assert output == ["True", "0 b'theirs'"]


@pytest.mark.parametrize("exporter", ["/dev/dri/renderD129", "/dev/dri/card2"])
def test_buffers_of_other_devices_can_be_imported(run: Run, exporter: str) -> None:
    """Another GPU's and vgem's: the GPU reads and writes them where they are."""
    output = run(f"""
other = os.open({exporter!r}, os.O_RDWR | os.O_CLOEXEC)
if "card" in {exporter!r}:
    made = ioctl(other, core.IOCTL_MODE_CREATE_DUMB, width=1024, height=1, bpp=32)["handle"]
else:
    made = create(PAGE, VRAM, other)
dmabuf = export(made, other)
theirs = mmap.mmap(dmabuf, PAGE)
theirs[:8] = b"from far"
imported = import_(dmabuf)
ctx = ioctl(fd, drm.IOCTL_AMDGPU_CTX, op=drm.AMDGPU_CTX_OP_ALLOC_CTX)["op"]
ib_handle = create(PAGE)
ib = map_cpu(ib_handle, PAGE)
A, B = 1 << 32, 1 << 33
for handle, va in ((imported, A), (ib_handle, B)):
    ioctl(fd, drm.IOCTL_AMDGPU_GEM_VA, handle=handle, operation=drm.AMDGPU_VA_OP_MAP, flags=14, va_address=va,
          map_size=PAGE)
sdma = codec_for(Engine.SDMA, (11, 0, 0), (6, 0, 0))
words = sdma.pad(sdma.copy(A, A + 64, 8) + sdma.fill(A + 128, 0x21212121, 4))
ib[: 4 * len(words)] = b"".join(word.to_bytes(4, "little") for word in words)
listed = bytearray(b"".join(drm.BO_LIST_ENTRY.pack(bo_handle=h) for h in (imported, ib_handle)))
bo_list = ioctl(fd, drm.IOCTL_AMDGPU_BO_LIST, operation=0, bo_number=2, bo_info_size=8, bo_info_ptr=listed)["operation"]
data = bytearray(drm.CS_CHUNK_IB.pack(va_start=B, ib_bytes=4 * len(words), ip_type=2))
address = lambda buffer: ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))
chunk = bytearray(drm.CS_CHUNK.pack(chunk_id=1, length_dw=len(data) // 4, chunk_data=address(data)))
pointers = bytearray(address(chunk).to_bytes(8, "little"))
sequence = ioctl(fd, drm.IOCTL_AMDGPU_CS, out=drm.CS_OUT, ctx_id=ctx, bo_list_handle=bo_list, num_chunks=1,
                 chunks=pointers)["handle"]
ioctl(fd, drm.IOCTL_AMDGPU_WAIT_CS, handle=sequence, timeout=(1 << 63) - 1, ip_type=2, ctx_id=ctx)
say(theirs[64:72], theirs[128:132])
""")
    assert output == ["b'from far' b'!!!!'"]


def test_processes_overcommit_vram_together() -> None:
    """Four processes, each with a buffer of almost half of VRAM: each finds its data, by CPU and by GPU."""
    script = (
        PRELUDE
        + """
number = int(sys.argv[1])
with open_gpu("/dev/dri/renderD128") as gpu:
    size = 10 << 30
    with gpu.alloc(size, domain="vram") as big, gpu.alloc(PAGE) as small, gpu.reserve(size) as far:
        with gpu.reserve(PAGE) as near:
            far.map(big)
            near.map(small)
            sdma = codec_for(Engine.SDMA, gpu.identity.gc_version, gpu.identity.sdma_version)
            say("ready")
            sys.stdin.readline()
            for turn in range(10):
                word = number << 16 | turn
                gpu.sdma.submit(sdma.fill(far.va + size - PAGE, word, PAGE), buffers=[big]).wait(10**10)
                gpu.sdma.submit(sdma.copy(far.va + size - 4, near.va, 4), buffers=[big, small]).wait(10**10)
                assert (big.read_u32(size - 4), small.read_u32()) == (word, word), (number, turn)
say("kept")
"""
    )
    with Machine(["navi31"], gpu_time=0) as machine:  # a move of 10 GiB would take half a second
        children = []
        for number in range(1, 5):
            command = [sys.executable, "-c", script, str(number)]
            child = subprocess.Popen(command, env=machine.environ(), stdin=-1, stdout=-1, stderr=-1, text=True)
            children.append(child)
            # One after the other: a buffer that another process uses at the moment is not evicted for a new one.
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        assert [child.communicate(timeout=60) for child in children] == [("kept\n", "")] * 4
        assert "KASAN" not in machine.log()


def test_the_gpu_uses_a_processs_own_memory(run: Run) -> None:
    """userptr: the GPU writes to it; a forked child may not submit with it (EPERM), nor find it changed by the GPU."""
    output = run("""
area = mmap.mmap(-1, 2 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
address = ctypes.addressof(ctypes.c_char.from_buffer(area))
flags = drm.AMDGPU_GEM_USERPTR_ANONONLY | drm.AMDGPU_GEM_USERPTR_REGISTER | drm.AMDGPU_GEM_USERPTR_VALIDATE
def userptr(address, size, flags):
    try:
        return ioctl(fd, drm.IOCTL_AMDGPU_GEM_USERPTR, addr=address, size=size, flags=flags)["handle"]
    except DrmError as error:
        return os.strerror(error.errno)
shared = mmap.mmap(-1, PAGE, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
say(userptr(0xFFFF800000000000, PAGE, flags), "|", userptr(4096, PAGE, flags))
gpu_memory = map_cpu(create(PAGE), PAGE)
say(userptr(ctypes.addressof(ctypes.c_char.from_buffer(gpu_memory)), PAGE, flags))
handle = userptr(address, 2 * PAGE, flags)
say(isinstance(handle, int))
listed = bytearray(drm.BO_LIST_ENTRY.pack(bo_handle=handle))
def make_list():
    ioctl(fd, drm.IOCTL_AMDGPU_BO_LIST, operation=0, bo_number=1, bo_info_size=8, bo_info_ptr=listed)
make_list()
def child():
    try:
        make_list()
    except DrmError as error:
        assert error.errno == 1, error
    else:
        raise AssertionError("a child could list its parent's memory")
say(status(in_child(child)))
""")
    assert output == ["Bad address | Bad address", "Operation not permitted", "True", "0"]


def test_anonymous_memory_ends_with_its_first_area(run: Run) -> None:
    """A7, amdgpu_ttm_tt_get_user_pages of 7.3: a second area with other rights is not looked at, and refused."""
    output = run("""
area = mmap.mmap(-1, 2 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
address = ctypes.addressof(ctypes.c_char.from_buffer(area))
assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(address + PAGE), PAGE, mmap.PROT_READ) == 0
flags = drm.AMDGPU_GEM_USERPTR_READONLY | drm.AMDGPU_GEM_USERPTR_VALIDATE
for also in (0, drm.AMDGPU_GEM_USERPTR_ANONONLY):
    try:
        ioctl(fd, drm.IOCTL_AMDGPU_GEM_USERPTR, addr=address, size=2 * PAGE, flags=flags | also)
        say("taken")
    except DrmError as error:
        say(os.strerror(error.errno))
""")
    assert output == ["taken", "Operation not permitted"]


def test_sysfs_tells_how_full_the_heaps_are(run: Run) -> None:
    """The mem_info_*_used files follow what is allocated and freed, to the byte."""
    output = run("""
device = "/sys/class/drm/renderD128/device"
names = ("mem_info_vram_used", "mem_info_vis_vram_used", "mem_info_gtt_used")
def used():
    return [int(open(f"{device}/{name}").read()) for name in names]
def grown():
    return [now - then for now, then in zip(used(), before)]
before = used()
buffers = [create(1 << 30, VRAM), create(3 * PAGE, GTT), create(5 * PAGE, GTT)]
say(grown())
close(buffers[1])
say(grown())
close(buffers[0]), close(buffers[2])
deadline = time.monotonic() + 20
while any(grown()) and time.monotonic() < deadline:
    time.sleep(0.01)  # VRAM is wiped before it is free
say(grown())
say(sorted(name for name in os.listdir(device) if name.startswith(".")))
""")
    assert output == [str([1 << 30, 1 << 30, 8 * 4096]), str([1 << 30, 1 << 30, 5 * 4096]), "[0, 0, 0]", "[]"]
