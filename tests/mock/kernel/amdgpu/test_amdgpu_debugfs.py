# SPDX-License-Identifier: MIT
"""Files of debugfs that do something when they are read, and what is left of mappings afterwards."""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.gpu_model.page_table import EntryKind
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_debugfs import debugfs_files
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.drv import probe, remove
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.file import File
from amdgpu_hw.mock.kernel.kernel import Kernel
from amdgpu_hw.mock.variants import VARIANTS
from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.amdgpu_client import COMPUTE, PAGE, Client, boot_gpu
from tests.mock.kernel.fake_caller import Call, FakeCaller

MIB = 1 << 20
A, B, C = 0x1_0000_0000, 0x10_0000_0000, 0x20_0000_0000
VRAM, GTT = drm.AMDGPU_GEM_DOMAIN_VRAM, drm.AMDGPU_GEM_DOMAIN_GTT


def open_file(adev: AmdgpuDevice, name: str) -> File:
    """Open a file of the device's directory."""
    return adev.kernel.open(FakeCaller(adev.kernel), debugfs_files(adev)[name], 0)


def read(adev: AmdgpuDevice, file: File, size: int = 64) -> bytes:
    """Read once."""
    call = Call(FakeCaller(adev.kernel), lambda: file.read(size)).wait()
    assert not call.error
    content: bytes = call.value
    return content


@pytest.mark.parametrize("gpu_time", [0, 0.01])
def test_reset_is_over_when_its_file_has_been_read(gpu_time: float) -> None:
    """Also where a reset takes its time (gpu_recover_get flushes the work)."""
    adev = probe(Kernel(VARIANTS["7.3"], gpu_time), load_identity("navi31"), 0)
    file = open_file(adev, "amdgpu_gpu_recover")
    assert adev.gpu_reset_counter == 0, "opening it does nothing"
    assert read(adev, file, 1) == b"0"
    assert (adev.gpu_reset_counter, adev.in_reset, adev.vram_lost_counter) == (1, False, 1)
    assert [read(adev, file), read(adev, file)] == [b"\n", b""]
    assert adev.gpu_reset_counter == 1, "the rest of the answer is no second reset"


def test_vram_and_page_tables_are_evicted() -> None:
    """3.5 step 0: an update changes the tree; the next submission carries it out."""
    client = Client(boot_gpu("navi31", "series-fixed"))
    bo = client.bo(MIB, VRAM)
    client.map(bo, A, MIB)
    client.settle()
    assert read(client.adev, open_file(client.adev, "amdgpu_evict_vram")) == b"0\n"
    assert client.object(bo).domain == GTT
    client.va_op(drm.AMDGPU_VA_OP_CLEAR, 0, A, MIB, 0)
    client.settle()
    walk = client.fpriv.vm.page_table.walk
    assert walk(A).kind is EntryKind.VALID
    client.submit(COMPUTE)
    client.settle()
    assert walk(A).kind is EntryKind.NONE


def test_files_go_with_the_device() -> None:
    """What is open answers no more than its node does: ENOENT for those who come later."""
    adev = boot_gpu()
    remove(adev)
    with pytest.raises(KernelError) as caught:
        open_file(adev, "amdgpu_gpu_recover")
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize(
    ("variant", "prt", "always_valid"),
    [
        ("6.12", True, True),
        ("series-fixed", True, True),
        ("7.2", True, False),
        ("7.3", False, False),
        ("series-fixed-7.3", False, False),
    ],
)
def test_mappings_of_who_lived_through_a_reset(variant: str, *, prt: bool, always_valid: bool) -> None:
    """What is not marked as moved nobody writes anew: always-valid BOs in 7.2, in 7.3 PRT as well; a new file's are."""
    client = Client(boot_gpu("navi31", variant))
    root, gtt = client.bo(flags=drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID), client.bo()

    def map_all(who: Client, always_valid: int, ordinary: int) -> list[EntryKind]:
        who.va_op(drm.AMDGPU_VA_OP_MAP, 0, A, PAGE, drm.AMDGPU_VM_PAGE_PRT)
        who.map(always_valid, B)
        who.map(ordinary, C)
        return entries(who, ordinary)

    def entries(who: Client, ordinary: int) -> list[EntryKind]:
        listed = (drm.AMDGPU_CHUNK_ID_BO_HANDLES, who.bo_handles_chunk(ordinary, who._ib_bo))
        who.submit(COMPUTE, None, listed, ctx=who.new_ctx())
        who.settle()
        return [who.fpriv.vm.page_table.walk(va).kind for va in (A, B, C)]

    there = [EntryKind.PRT, EntryKind.VALID, EntryKind.VALID]
    assert map_all(client, root, gtt) == there
    read(client.adev, open_file(client.adev, "amdgpu_gpu_recover"))
    kept = (prt, always_valid, True)
    assert entries(client, gtt) == [
        kind if is_kept else EntryKind.NONE for kind, is_kept in zip(there, kept, strict=True)
    ]
    newcomer = Client(client.adev)
    assert map_all(newcomer, newcomer.bo(flags=drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID), newcomer.bo()) == there
