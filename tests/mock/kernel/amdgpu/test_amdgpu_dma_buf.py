# SPDX-License-Identifier: MIT
"""Buffers between devices: vgem and two GPUs, in all directions that exist."""

from __future__ import annotations

import errno
import mmap
import os
from typing import Any

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.gpu_model.page_table import EntryKind
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.drv import probe
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_WRITE
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.vgem import vgem_drv
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.amdgpu_client import PAGE, SDMA, Client
from tests.mock.kernel.fake_caller import boot

VRAM, GTT, CPU = drm.AMDGPU_GEM_DOMAIN_VRAM, drm.AMDGPU_GEM_DOMAIN_GTT, drm.AMDGPU_GEM_DOMAIN_CPU
A, B = 0x1_0000_0000, 0x2_0000_0000
SIZE = 4 * PAGE


class Machine:
    """Two GPUs and vgem, each with a client that could be a process of its own."""

    def __init__(self) -> None:
        kernel = boot("series-fixed")
        self.kernel = kernel
        adevs = [probe(kernel, load_identity(name), index) for index, name in enumerate(("navi31", "mi300x"))]
        vgem_drv.probe(kernel, 2)
        self.gpus = [Client(adev, path=f"/dev/dri/renderD{128 + i}") for i, adev in enumerate(adevs)]

    def vgem_buffer(self) -> tuple[int, int]:
        """A vgem buffer of the first client: its descriptor as a dma-buf, and one of the memory itself."""
        caller = self.gpus[0].caller
        fd = caller.open("/dev/dri/card2")
        made = caller.ioctl(fd, core.IOCTL_MODE_CREATE_DUMB, width=SIZE // 4, height=1, bpp=32)
        dmabuf = caller.ioctl(fd, core.IOCTL_PRIME_HANDLE_TO_FD, handle=made["handle"], flags=2)["fd"]
        memory, offset = caller.file(dmabuf).mmap(caller, 0, SIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED)
        assert offset == 0
        return dmabuf, memory


@pytest.fixture
def machine() -> Machine:
    """A machine with three devices."""
    return Machine()


def export(client: Client, handle: int, to: Client | None = None) -> int:
    """A buffer's dma-buf; its descriptor in the process of ``to``."""
    fd: int = client.ioctl(core.IOCTL_PRIME_HANDLE_TO_FD, handle=handle, flags=2)["fd"]
    return fd if to is None else client.caller.share(fd, to.caller)


def import_(client: Client, fd: int) -> int:
    """The handle of a dma-buf."""
    return int(client.ioctl(core.IOCTL_PRIME_FD_TO_HANDLE, fd=fd)["handle"])


def run(client: Client, words: list[int], *handles: int) -> None:
    """An SDMA job that lists buffers."""
    client.submit(SDMA, words, (drm.AMDGPU_CHUNK_ID_BO_HANDLES, client.bo_handles_chunk(*handles)))


def test_one_buffer_in_two_processes(machine: Machine) -> None:
    """Of the same GPU: the same object, so both see the same bytes and wait for the same fences."""
    mine = machine.gpus[0]
    theirs = Client(mine.adev)
    bo = mine.bo(SIZE, VRAM)
    handle = import_(theirs, export(mine, bo, theirs))
    assert theirs.object(handle) is mine.object(bo)
    mine.map(bo, A, SIZE)
    theirs.map(handle, B, SIZE)
    run(mine, mine.packets(SDMA).fill(A, 0x11223344, 8), bo)
    run(theirs, theirs.packets(SDMA).copy(B, B + 16, 4), handle)
    assert theirs.read(handle, 4, 16) == bytes.fromhex("44332211")
    mine.ioctl(core.IOCTL_GEM_CLOSE, handle=bo)
    assert theirs.read(handle, 4, 16) == bytes.fromhex("44332211")


def test_a_gpu_reads_and_writes_a_buffer_of_vgem(machine: Machine) -> None:
    """It is bound by the first submission that lists it, and counts for GTT from then on."""
    client = machine.gpus[0]
    dmabuf, memory = machine.vgem_buffer()
    os.pwrite(memory, b"from vgem", 0)
    handle = import_(client, dmabuf)
    assert import_(client, dmabuf) == handle
    bo = client.object(handle)
    assert (bo.domain, bo.size, bo.preferred_domains) == (CPU, SIZE, GTT)
    client.map(handle, A, SIZE)
    client.settle()
    assert client.fpriv.vm.page_table.walk(A).kind is EntryKind.NONE
    before = client.adev.mman.gtt.used
    run(client, client.packets(SDMA).copy(A, A + PAGE, 12), handle)
    assert os.pread(memory, 9, PAGE) == b"from vgem"
    assert bo.domain == GTT
    assert client.adev.mman.gtt.used == before + SIZE
    client.ioctl(core.IOCTL_GEM_CLOSE, handle=handle)
    client.settle()
    assert client.adev.mman.gtt.used == before
    assert os.pread(memory, 9, 0) == b"from vgem"


def test_fences_go_with_the_buffer(machine: Machine) -> None:
    """The importer's jobs are in the exporter's reservation object, and wait for what is in it."""
    client = machine.gpus[0]
    handle = import_(client, machine.vgem_buffer()[0])
    resv = client.object(handle).resv
    chunk, gate = client.gate()
    listed = (drm.AMDGPU_CHUNK_ID_BO_HANDLES, client.bo_handles_chunk(handle))
    client.submit(SDMA, None, chunk, listed)
    assert not resv.test_signaled(DMA_RESV_USAGE_WRITE)
    other = Client(client.adev)
    client.caller.share(export(client, handle), other.caller)
    waiting = client.submit(SDMA, None, listed, ctx=client.new_ctx())
    assert waiting
    client.open_gate(gate)
    assert resv.test_signaled(DMA_RESV_USAGE_WRITE)


def test_two_gpus_share_a_buffer(machine: Machine) -> None:
    """Without peer-to-peer access it has to be in GTT; both write to the same bytes."""
    first, second = machine.gpus
    bo = first.bo(SIZE, VRAM)
    first.map(bo, A, SIZE)
    run(first, first.packets(SDMA).fill(A, 0xAAAAAAAA, SIZE), bo)
    handle = import_(second, export(first, bo, second))
    assert second.object(handle) is not first.object(bo)
    assert second.object(handle).resv is first.object(bo).resv
    second.map(handle, B, SIZE)
    run(second, second.packets(SDMA).fill(B + 4, 0xBBBBBBBB, 4), handle)
    assert first.object(bo).domain == GTT
    assert first.read(bo, 12) == b"\xaa" * 4 + b"\xbb" * 4 + b"\xaa" * 4
    run(first, first.packets(SDMA).fill(A + 8, 0xCCCCCCCC, 4), bo)
    assert second.read(handle, 12) == b"\xaa" * 4 + b"\xbb" * 4 + b"\xcc" * 4
    assert machine.kernel.kasan.count == 0


def test_an_import_is_unbound_when_the_exporter_moves(machine: Machine) -> None:
    """The importer's entries are zeroed until its next submission has bound the buffer again."""
    first, second = machine.gpus
    bo = first.bo(SIZE, VRAM)
    handle = import_(second, export(first, bo, second))
    second.map(handle, B, SIZE)
    run(second, second.packets(SDMA).fill(B, 0x55555555, 4), handle)
    assert second.fpriv.vm.page_table.walk(B).kind is EntryKind.VALID
    run(first, first.packets(SDMA).nop(), bo)  # there is room in VRAM, where it prefers to be
    assert first.object(bo).domain == VRAM
    second.settle()
    assert second.object(handle).domain == CPU
    assert second.fpriv.vm.page_table.walk(B).kind is EntryKind.NONE
    run(second, second.packets(SDMA).fill(B + 4, 0x66666666, 4), handle)
    assert first.read(bo, 8) == b"\x55" * 4 + b"\x66" * 4
    assert machine.kernel.kasan.count == 0


def test_an_import_is_unbound_after_work_in_flight(machine: Machine) -> None:
    """The importer's jobs keep their entries until they are done; the exporter's copy waits for them as well."""
    first, second = machine.gpus
    bo = first.bo(SIZE, VRAM)
    handle = import_(second, export(first, bo, second))
    second.map(handle, B, SIZE)
    run(second, second.packets(SDMA).nop(), handle)
    chunk, gate = second.gate()
    listed = (drm.AMDGPU_CHUNK_ID_BO_HANDLES, second.bo_handles_chunk(handle))
    second.submit(SDMA, second.packets(SDMA).fill(B, 0x55555555, 4), chunk, listed)
    run(first, first.packets(SDMA).nop(), bo)
    assert second.fpriv.vm.page_table.walk(B).kind is EntryKind.VALID
    second.open_gate(gate)
    second.settle()
    assert second.fpriv.vm.page_table.walk(B).kind is EntryKind.NONE
    assert first.object(bo).domain == VRAM
    assert first.read(bo, 4) == b"\x55" * 4
    assert machine.kernel.kasan.count == 0


def test_an_import_keeps_the_memory_alive(machine: Machine) -> None:
    """Also when the exporter has closed everything, and while the importer's last job runs."""
    first, second = machine.gpus
    bo = first.bo(SIZE, GTT)
    first.write(bo, b"kept")
    handle = import_(second, export(first, bo, second))
    for fd in list(first.caller.files):
        first.caller.close(fd).wait()
    for fd in list(second.caller.files):
        if fd != second.fd:
            second.caller.close(fd)
    second.settle()
    second.map(handle, B, SIZE)
    chunk, gate = second.gate()
    listed = (drm.AMDGPU_CHUNK_ID_BO_HANDLES, second.bo_handles_chunk(handle))
    second.submit(SDMA, second.packets(SDMA).fill(B + 4, 0x77777777, 4), chunk, listed)
    assert second.read(handle, 4) == b"kept"
    second.ioctl(core.IOCTL_GEM_CLOSE, handle=handle)
    assert first.adev.mman.gtt.used == SIZE
    second.open_gate(gate)
    assert first.adev.mman.gtt.used == 0
    assert machine.kernel.kasan.count == 0
    assert machine.kernel.oopses == 0


def test_what_an_import_cannot_do(machine: Machine) -> None:
    """It cannot be in VRAM, and is mapped by way of the dma-buf only; both are said."""
    client = machine.gpus[0]
    dmabuf, _ = machine.vgem_buffer()
    handle = import_(client, dmabuf)
    fields = {"handle": handle, "op": drm.AMDGPU_GEM_OP_SET_PLACEMENT, "value": VRAM}
    assert client.fails(drm.IOCTL_AMDGPU_GEM_OP, **fields) == errno.EINVAL
    reply = client.ioctl(drm.IOCTL_AMDGPU_GEM_MMAP, handle=handle)
    file: Any = client.caller.file(client.fd)
    with pytest.raises(KernelError) as caught:
        file.mmap(client.caller, reply["handle"] | reply["_pad"] << 32, SIZE, mmap.PROT_READ, mmap.MAP_SHARED)
    assert caught.value.errno == errno.EINVAL
    assert "can only be mapped by way of its dma-buf" in client.log()
