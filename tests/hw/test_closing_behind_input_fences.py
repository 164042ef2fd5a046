# SPDX-License-Identifier: MIT
"""Closing a buffer, or the GPU, while an update waits for its input fence: how long the memory stays, what is done.

Closing queues the clearing of the buffer's mappings behind that update, and the memory cannot go before (O7). What is
seen of the memory is noted, not judged: other processes allocate and free as well. The wiping of freed VRAM is one
queue of the whole device, so others who allocate VRAM meanwhile wait with it (KERNEL.md E2).
"""

from __future__ import annotations

import os
import time

from amdgpu_hw.discovery import open_node
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.memory import Buffer, KiB, MiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import duration, ms, size
from amdgpu_hw.proof.usage import vram_usage
from amdgpu_hw.sync import BackgroundCall, SyncFile
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import drm

TILE = 64 * KiB
SIZE = 16 * MiB


@behaviour(
    "O7",
    "closing a buffer returns at once although an update waits for its input fence",
    needs=("explicit_sync", "update_fence", "input_fence"),
    rule="GEM_CLOSE queues page-table work, it does not wait for it (KERNEL.md 3.8).",
    stalls=True,
)
def test_closing_a_buffer_does_not_wait_for_an_input_fence(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """An application that frees memory must not hang on somebody's semaphore."""
    buffer = gpu.alloc(SIZE, domain="vram", cpu_access=False)
    mapped, other = gpu.reserve(SIZE), gpu.reserve(TILE)
    mapped.map(buffer)
    with shut_fence() as fence:
        before = vram_usage(gpu)
        update = BackgroundCall(lambda: other.map(always_valid, inputs=[fence.syncobj]))
        must.come_back(update, while_pending=fence)
        must.did(f"MAP with a pending input fence, then GEM_CLOSE of {size(SIZE)} of VRAM")
        must.come_back(BackgroundCall(buffer.close), what="GEM_CLOSE", within=ms(500), while_pending=fence)
        must.not_signal(update, at_most=ms(50), while_pending=fence)
        must.note(f"{size(SIZE)} of VRAM are {'freed already' if before - vram_usage(gpu) >= SIZE else 'still in use'}")
    must.signal(update, after=fence)
    opened = time.monotonic_ns()
    while before - vram_usage(gpu) < SIZE and time.monotonic_ns() - opened < ms(500):
        time.sleep(0.002)
    gone = before - vram_usage(gpu) >= SIZE
    must.note(f"{'freed' if gone else 'not freed'} {duration(time.monotonic_ns() - opened)} after the gate had opened")


@behaviour(
    "O98",
    "an update that waits for its input fence is carried out although its GPU is closed meanwhile",
    control="B23",
    needs=("explicit_sync", "update_fence", "input_fence", "prt", "page_table_jobs"),
    rule="Closing waits until the updates have gone to their ring (amdgpu_flush, amdgpu_vm_wait_idle): those that are "
    "left are cancelled, and their fences say so to who waits for them.",
    stalls=True,
)
def test_closing_the_gpu_waits_for_its_updates(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """In a file of its own; a MAP, as it flushes no TLB: closing waits for that as well (amdgpu_vm_fini)."""
    tile = gpu.reserve(TILE)
    fd = open_node(gpu.identity.node)
    with shut_fence() as pending:
        given, out = (ioctl(fd, drm.IOCTL_SYNCOBJ_CREATE)["handle"] for _ in range(2))
        with pending.syncobj.export_sync_file() as fence:
            flag = drm.DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE
            ioctl(fd, drm.IOCTL_SYNCOBJ_FD_TO_HANDLE, handle=given, fd=fence.fileno(), flags=flag)
        ioctl(
            fd,
            uapi.IOCTL_AMDGPU_GEM_VA,
            operation=uapi.AMDGPU_VA_OP_MAP,
            flags=uapi.AMDGPU_VM_PAGE_PRT,
            va_address=tile.va,
            map_size=TILE,
            vm_timeline_syncobj_out=out,
            num_syncobj_handles=1,
            input_fence_syncobj_handles=bytearray(given.to_bytes(4, "little")),
        )
        flag = drm.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
        update = SyncFile(ioctl(fd, drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, handle=out, flags=flag)["fd"])
        call = BackgroundCall(lambda: os.close(fd))
        returned = call.wait(ms(50))
        must.did("MAP PRT in another file with a pending input fence; closed that file")
        must.note(f"with the fence pending close() {'returned' if returned else 'waits'}")
    call.result()
    must.be(update.wait(ms(2000)), seen="its fence signalled then", otherwise="its fence never signals", kind="fence")
    must.equal(update.status(), 1, "the status of its fence was", kind="fence")
