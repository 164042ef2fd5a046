# SPDX-License-Identifier: MIT
"""The ABI declarations: layouts, ioctl numbers, encoding."""

from __future__ import annotations

import pytest

from amdgpu_hw.uapi import amdgpu_drm, amdgpu_info, dma_buf, drm, sw_sync, sync_file, vgem_drm
from amdgpu_hw.uapi.layout import Ioctl, Struct, flag_names

# The numbers of KERNEL.md 1.2, 2.1 and 6.2, which were compiled from the kernel's headers.
REQUESTS = {
    drm: "VERSION C0406400 GET_UNIQUE C0106401 GET_MAGIC 80046402 GET_CLIENT C0286405 GET_STATS 80F86406 "
    "SET_VERSION C0106407 GEM_CLOSE 40086409 GEM_FLINK C008640A GEM_OPEN C010640B GET_CAP C010640C "
    "SET_CLIENT_CAP 4010640D AUTH_MAGIC 40046411 SET_MASTER 641E DROP_MASTER 641F PRIME_HANDLE_TO_FD C00C642D "
    "PRIME_FD_TO_HANDLE C00C642E SYNCOBJ_CREATE C00864BF SYNCOBJ_DESTROY C00864C0 SYNCOBJ_HANDLE_TO_FD C01864C1 "
    "SYNCOBJ_FD_TO_HANDLE C01864C2 SYNCOBJ_WAIT C02864C3 SYNCOBJ_RESET C01064C4 SYNCOBJ_SIGNAL C01064C5 "
    "SYNCOBJ_TIMELINE_WAIT C03064CA SYNCOBJ_QUERY C01864CB SYNCOBJ_TRANSFER C02064CC "
    "SYNCOBJ_TIMELINE_SIGNAL C01864CD SYNCOBJ_EVENTFD C01864CF SET_CLIENT_NAME C01064D1 GEM_CHANGE_HANDLE C00864D2",
    amdgpu_drm: "AMDGPU_GEM_CREATE C0206440 AMDGPU_GEM_MMAP C0086441 AMDGPU_CTX C0106442 AMDGPU_BO_LIST C0186443 "
    "AMDGPU_CS C0186444 AMDGPU_INFO 40206445 AMDGPU_GEM_METADATA C1206446 AMDGPU_GEM_WAIT_IDLE C0106447 "
    "AMDGPU_GEM_VA C0406448 AMDGPU_WAIT_CS C0206449 AMDGPU_GEM_OP C0186450 AMDGPU_GEM_USERPTR C0186451 "
    "AMDGPU_WAIT_FENCES C0186452 AMDGPU_VM C0086453 AMDGPU_FENCE_TO_HANDLE C0206454 AMDGPU_SCHED 40106455 "
    "AMDGPU_USERQ C0486456 AMDGPU_USERQ_SIGNAL C0306457 AMDGPU_USERQ_WAIT C0486458 "
    "AMDGPU_GEM_LIST_HANDLES C0106459",
    sw_sync: "CREATE_FENCE C0285700 INC 40045701 GET_DEADLINE C0105702",
    vgem_drm: "FENCE_ATTACH C0106441 FENCE_SIGNAL 40086442",
    dma_buf: "EXPORT_SYNC_FILE C0086202 IMPORT_SYNC_FILE 40086203",
    sync_file: "MERGE C0303E03 FILE_INFO C0383E04",
}


@pytest.mark.parametrize("module", REQUESTS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_ioctl_numbers_are_the_kernels(module: object) -> None:
    """Every declared ioctl has the number that user space sends."""
    words = REQUESTS[module].split()  # type: ignore[index]
    for name, request in zip(words[::2], words[1::2], strict=True):
        ioctl = getattr(module, f"IOCTL_{name}")
        assert isinstance(ioctl, Ioctl)
        assert f"{ioctl.request:X}" == request, f"{ioctl.name} is {ioctl.request:#x}"


def test_gem_va_is_not_copied_back() -> None:
    """libdrm sends GEM_VA with both directions, the kernel's table only reads (KERNEL.md 1.1)."""
    assert amdgpu_drm.IOCTL_AMDGPU_GEM_VA.kernel_request == 0x40406448
    assert not amdgpu_drm.IOCTL_AMDGPU_GEM_VA.kernel_writes
    assert amdgpu_drm.IOCTL_AMDGPU_CS.kernel_writes


@pytest.mark.parametrize(
    ("struct", "size", "offsets"),
    [
        (
            amdgpu_drm.GEM_VA,
            64,
            {"vm_timeline_point": 40, "num_syncobj_handles": 52, "input_fence_syncobj_handles": 56},
        ),
        (amdgpu_drm.GEM_METADATA, 288, {"tiling_info": 16, "data": 28}),
        (amdgpu_drm.USERQ_WAIT, 72, {"num_fences": 50, "out_fences": 64}),
        (amdgpu_info.INFO_DEVICE, 448, {"cu_bitmap": 56, "ids_flags": 136, "high_va_offset": 336, "mall_size": 408}),
        (amdgpu_info.INFO_HW_IP, 40, {"capabilities_flags": 8, "userq_num_slots": 32}),
        (drm.VERSION, 64, {"name_len": 16, "desc": 56}),
    ],
    ids=lambda value: value.name if isinstance(value, Struct) else "",
)
def test_layouts_follow_c(struct: Struct, size: int, offsets: dict[str, int]) -> None:
    """Padding is what a C compiler puts on LP64 (offsets of KERNEL.md 2.1 and 2.9)."""
    assert struct.size == size
    assert {name: struct.offset(name) for name in offsets} == offsets


def test_pack_zeroes_what_is_not_named_and_round_trips() -> None:
    """A struct is encoded from names; everything else is 0."""
    data = amdgpu_drm.GEM_VA.pack(operation=3, flags=0x400, va_address=0xFFFF_8000_0000_0000)
    fields = amdgpu_drm.GEM_VA.as_dict(data)
    assert fields["flags"] == 0x400
    assert fields["va_address"] == 0xFFFF_8000_0000_0000
    assert sum(value != 0 for value in fields.values()) == 3
    assert amdgpu_drm.GEM_VA.unpack(data) == tuple(fields.values())


def test_pack_refuses_unknown_names_and_values_out_of_range() -> None:
    """Typing errors do not become zeros, and nothing is silently cut."""
    with pytest.raises(TypeError, match=r"no field flag$"):
        amdgpu_drm.GEM_VA.pack(flag=1)
    with pytest.raises(ValueError, match="cannot hold"):
        amdgpu_drm.GEM_VA.pack(flags=1 << 32)


def test_flag_names_spell_every_bit() -> None:
    """A flag word reads as names, and bits without a name stay visible."""
    word = amdgpu_drm.AMDGPU_VM_PAGE_PRT | amdgpu_drm.AMDGPU_VM_EXPLICIT_SYNC | 1 << 11
    assert flag_names(word, amdgpu_drm.VM_FLAGS) == "PRT|EXPLICIT_SYNC|0x800"
    assert flag_names(0, amdgpu_drm.VM_FLAGS) == "0"
