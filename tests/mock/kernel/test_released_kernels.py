# SPDX-License-Identifier: MIT
"""What Linux 6.1.176, 6.12.117 and 7.3.4 answered on a guest machine, call by call."""

from __future__ import annotations

import errno
import mmap
import struct
from collections.abc import Callable

import pytest

from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_KERNEL
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import amdgpu_info as info
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.amdgpu_client import COMPUTE, SDMA, Client, boot_gpu

PAGE = mmap.PAGESIZE
KERNELS = ("6.1", "6.12", "7.3")
EINVAL, EFAULT, ENOENT, ENOMEM, EPERM = errno.EINVAL, errno.EFAULT, errno.ENOENT, errno.ENOMEM, errno.EPERM


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> str:
    """A released kernel."""
    return str(request.param)


def entries(client: Client, size: int = 8) -> dict[str, int]:
    """One entry of a BO list."""
    data = client.bo().to_bytes(4, "little").ljust(16, b"\0")
    return {"bo_number": 1, "bo_info_size": size, "bo_info_ptr": client.caller.alloc(data)}


def bo_list(client: Client, operation: int = drm.AMDGPU_BO_LIST_OP_CREATE, **fields: int) -> int:
    """BO_LIST."""
    return client.fails(drm.IOCTL_AMDGPU_BO_LIST, operation=operation, **fields)


def cs(client: Client, *chunks: tuple[int, bytes]) -> int:
    """CS of one IB, with more chunks."""
    return client.cs_fails((drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(SDMA)), *chunks)


def fence_chunk(client: Client) -> tuple[int, bytes]:
    """A user fence."""
    return drm.AMDGPU_CHUNK_ID_FENCE, drm.CS_CHUNK_FENCE.pack(handle=client.bo(), offset=0)


def create(client: Client, domains: int, size: int = PAGE) -> int:
    """GEM_CREATE."""
    return client.fails(drm.IOCTL_AMDGPU_GEM_CREATE, bo_size=size, domains=domains)


def wait_cs(client: Client, ip: int) -> int:
    """WAIT_CS for nothing on a ring."""
    return client.fails(drm.IOCTL_AMDGPU_WAIT_CS, ctx_id=client.ctx, ip_type=ip)


def map_at(client: Client, va: int) -> int:
    """MAP of one page."""
    return client.fails(
        drm.IOCTL_AMDGPU_GEM_VA,
        handle=client.bo(),
        operation=drm.AMDGPU_VA_OP_MAP,
        flags=drm.AMDGPU_VM_PAGE_READABLE,
        va_address=va,
        map_size=PAGE,
    )


LIST_DESTROY, BAD = drm.AMDGPU_BO_LIST_OP_DESTROY, 0x10
ANSWERS: dict[str, tuple[Callable[[Client], int], tuple[int, int, int]]] = {
    "BO_LIST of 131072": (
        lambda client: bo_list(client, bo_number=131072, bo_info_size=8, bo_info_ptr=BAD),
        (EFAULT, EFAULT, EFAULT),
    ),
    "BO_LIST of 131073": (
        lambda client: bo_list(client, bo_number=131073, bo_info_size=8, bo_info_ptr=BAD),
        (EINVAL, EINVAL, EINVAL),
    ),
    "BO_LIST of longer entries": (lambda client: bo_list(client, **entries(client, 16)), (0, 0, EINVAL)),
    "BO_LIST of no entries of another size": (lambda client: bo_list(client, bo_info_size=3), (0, 0, EINVAL)),
    "unknown BO_LIST operation, bad pointer": (
        lambda client: bo_list(client, 9, bo_number=1, bo_info_size=8, bo_info_ptr=BAD),
        (EFAULT, EFAULT, EINVAL),
    ),
    "BO_LIST to destroy, bad pointer": (
        lambda client: bo_list(client, LIST_DESTROY, list_handle=7, bo_number=1, bo_info_size=8, bo_info_ptr=BAD),
        (EFAULT, EFAULT, 0),
    ),
    "WAIT_FENCES for none": (lambda client: client.fails(drm.IOCTL_AMDGPU_WAIT_FENCES, wait_all=1), (0, 0, EINVAL)),
    "WAIT_CS on a missing VCE": (lambda client: wait_cs(client, drm.AMDGPU_HW_IP_VCE), (0, 0, EINVAL)),
    "WAIT_CS on a missing VCN": (lambda client: wait_cs(client, drm.AMDGPU_HW_IP_VCN_DEC), (EINVAL, EINVAL, EINVAL)),
    "WAIT_CS on a missing VPE": (lambda client: wait_cs(client, drm.AMDGPU_HW_IP_VPE), (EINVAL, 0, EINVAL)),
    "CS with a chunk of 2 GiB": (
        lambda client: client.fails(
            drm.IOCTL_AMDGPU_CS,
            ctx_id=client.ctx,
            num_chunks=1,
            chunks=client.u64s(client.alloc(drm.CS_CHUNK.pack(length_dw=1 << 29, chunk_data=PAGE))),
        ),
        (ENOMEM, ENOMEM, EINVAL),
    ),
    "CS with two user fences": (
        lambda client: cs(client, fence_chunk(client), fence_chunk(client)),
        (0, EINVAL, EINVAL),
    ),
    "CS with an empty CP_GFX_SHADOW": (
        lambda client: cs(client, (drm.AMDGPU_CHUNK_ID_CP_GFX_SHADOW, b"")),
        (EINVAL, EINVAL, EINVAL),
    ),
    "CS with a CP_GFX_SHADOW": (
        lambda client: cs(client, (drm.AMDGPU_CHUNK_ID_CP_GFX_SHADOW, bytes(32))),
        (EINVAL, 0, 0),
    ),
    "GEM_CREATE in GDS and GTT": (lambda client: create(client, 8 | 2), (0, EINVAL, EINVAL)),
    "GEM_CREATE in VRAM and GTT": (lambda client: create(client, 4 | 2), (0, 0, 0)),
    "GEM_CREATE in GDS and GWS": (lambda client: create(client, 8 | 16), (0, EINVAL, EINVAL)),
    "GEM_CREATE of 2^64 - 1 bytes": (
        lambda client: create(client, 2, (1 << 64) - 1),
        (errno.ENOSPC, errno.ENOSPC, errno.ENOSPC),
    ),
    "GEM_CREATE discardable": (
        lambda client: client.fails(
            drm.IOCTL_AMDGPU_GEM_CREATE, bo_size=PAGE, domains=2, domain_flags=drm.AMDGPU_GEM_CREATE_GFX12_DCC
        ),
        (EINVAL, 0, 0),
    ),
    "GEM_CHANGE_HANDLE": (
        lambda client: client.fails(core.IOCTL_GEM_CHANGE_HANDLE, handle=client.bo(), new_handle=500),
        (EINVAL, EINVAL, EINVAL),
    ),
    "USERPTR outside user space": (
        lambda client: client.fails(
            drm.IOCTL_AMDGPU_GEM_USERPTR, addr=1 << 63, size=PAGE, flags=drm.AMDGPU_GEM_USERPTR_READONLY
        ),
        (0, 0, EFAULT),
    ),
    "PROC_OPTIONS": (lambda client: client.fails(drm.IOCTL_AMDGPU_PROC_OPTIONS), (EINVAL, EINVAL, 0)),
    "unknown PROC_OPTIONS": (
        lambda client: client.fails(drm.IOCTL_AMDGPU_PROC_OPTIONS, op=1),
        (EINVAL, EINVAL, EINVAL),
    ),
    "SYNCOBJ_WAIT for none": (lambda client: client.fails(core.IOCTL_SYNCOBJ_WAIT), (EINVAL, 0, 0)),
    "SYNCOBJ_TIMELINE_WAIT for none": (lambda client: client.fails(core.IOCTL_SYNCOBJ_TIMELINE_WAIT), (EINVAL, 0, 0)),
    "SYNCOBJ_EVENTFD": (
        lambda client: client.fails(core.IOCTL_SYNCOBJ_EVENTFD, handle=client.syncobj(), fd=999),
        (EINVAL, errno.EBADF, errno.EBADF),
    ),
    "MAP at 64 KiB": (lambda client: map_at(client, 0x10000), (EINVAL, 0, 0)),
    "MAP 4 MiB below the end": (lambda client: map_at(client, (1 << 64) - 0x401000), (0, EINVAL, EINVAL)),
    "MAP 4 MiB and 64 KiB below the end": (lambda client: map_at(client, (1 << 64) - 0x410000), (0, EINVAL, EINVAL)),
    "MAP below that": (lambda client: map_at(client, (1 << 64) - 0x411000), (0, 0, 0)),
    "INFO_MAX_IBS": (lambda client: client.info_fails(0x22, 8), (EINVAL, 0, 0)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_are_those_of_the_real_kernel(kernel: str, name: str) -> None:
    """Each measured on that kernel, but for chunks of 2 GiB: by `amdgpu_cs_pass1`."""
    call, answers = ANSWERS[name]
    assert call(Client(boot_gpu("vega10", kernel))) == answers[KERNELS.index(kernel)]


# What 7.2.13 answers otherwise than 7.3.4, by its source.
ANSWERS_OF_7_2 = {
    "BO_LIST of longer entries": 0,
    "BO_LIST of no entries of another size": 0,
    "unknown BO_LIST operation, bad pointer": EFAULT,
    "BO_LIST to destroy, bad pointer": EFAULT,
    "PROC_OPTIONS": EINVAL,
    "CS with a chunk of 2 GiB": ENOMEM,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_of_7_2_are_those_of_7_3_but_for_what_came_with_that(name: str) -> None:
    """Not measured: amdgpu_bo_list.c, amdgpu_cs.c and amdgpu_drv.c differ, what answers the other calls does not."""
    call, answers = ANSWERS[name]
    assert call(Client(boot_gpu("vega10", "7.2"))) == ANSWERS_OF_7_2.get(name, answers[-1])


def test_ids_of_7_2_are_those_of_an_xarray_for_syncobjs_alone() -> None:
    """amdgpu_ctx_mgr_init and amdgpu_driver_open_kms still have IDRs there, drm_syncobj_open has not."""
    client = Client(boot_gpu("vega10", "7.2"))
    assert client.syncobj() == 1
    assert client.fails(core.IOCTL_SYNCOBJ_DESTROY, handle=0) == EINVAL
    assert [client.syncobj(), client.syncobj()] == [0, 2]
    assert client.fails(drm.IOCTL_AMDGPU_CTX, op=drm.AMDGPU_CTX_OP_FREE_CTX, ctx_id=0) == EINVAL
    assert [client.new_ctx(), client.new_ctx()] == [2, 3]


def test_a_list_of_buffers_in_a_submission_has_the_same_limits(kernel: str) -> None:
    """The BO_HANDLES chunk is read by the same function (amdgpu_bo_create_list_entry_array)."""
    client = Client(boot_gpu("vega10", kernel))
    chunk = drm.BO_LIST_IN.pack(operation=0xFFFFFFFF, list_handle=0xFFFFFFFF, **entries(client, 16))
    error = client.cs_fails((drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(COMPUTE)), (drm.AMDGPU_CHUNK_ID_BO_HANDLES, chunk))
    assert error == (EINVAL if kernel == "7.3" else 0)


def test_erasing_id_0_makes_it_one_that_is_given_out(kernel: str) -> None:
    """In 7.3, of syncobjs, contexts and BO lists, once there is one of them (XA_ZERO_ENTRY is erased)."""
    client = Client(boot_gpu("vega10", kernel))
    new = kernel == "7.3"
    assert client.fails(core.IOCTL_SYNCOBJ_DESTROY, handle=0) == EINVAL
    assert client.syncobj() == 1
    assert client.fails(core.IOCTL_SYNCOBJ_DESTROY, handle=0) == EINVAL
    assert [client.syncobj(), client.syncobj()] == ([0, 2] if new else [2, 3])
    free = {"op": drm.AMDGPU_CTX_OP_FREE_CTX, "ctx_id": 0}
    assert client.fails(drm.IOCTL_AMDGPU_CTX, **free) == EINVAL
    assert [client.new_ctx(), client.new_ctx()] == ([0, 2] if new else [2, 3])
    for _ in range(2):
        assert bo_list(client, **entries(client)) == 0
    assert bo_list(client, LIST_DESTROY, list_handle=0) == 0
    made = client.ioctl(drm.IOCTL_AMDGPU_BO_LIST, operation=drm.AMDGPU_BO_LIST_OP_CREATE, **entries(client))
    assert made["operation"] == (0 if new else 3)


def test_contexts_are_limited_up_to_6_18(kernel: str) -> None:
    """To 4095 in the IDR; an xarray has room."""
    client = Client(boot_gpu("vega10", kernel))
    errors = {client.fails(drm.IOCTL_AMDGPU_CTX, op=drm.AMDGPU_CTX_OP_ALLOC_CTX) for _ in range(4096)}
    assert errors == ({0} if kernel == "7.3" else {0, errno.ENOSPC})


@pytest.mark.parametrize(("kernel", "expected"), [("6.1", 0), ("6.12", EINVAL), ("7.3", EINVAL)])
def test_ibs_of_a_submission_are_counted_since_then(kernel: str, expected: int) -> None:
    """`amdgpu_cs_p1_ib`: 50 IBs for a ring of SDMA, which takes 49."""
    client = Client(boot_gpu("vega10", kernel))
    assert client.cs_fails(*[(drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(SDMA))] * 50) == expected


@pytest.mark.parametrize(
    ("kernel", "ip", "expected"),
    [
        ("6.1", SDMA, 1),
        ("6.1", drm.AMDGPU_HW_IP_UVD, 0),
        ("6.12", SDMA, 2),
        ("6.12", drm.AMDGPU_HW_IP_UVD, None),
    ],
)
def test_what_hw_ip_count_counts(kernel: str, ip: int, expected: int | None) -> None:
    """Blocks in 6.1, of which SDMA is one and there may be none; later instances, and no instance is EINVAL."""
    client = Client(boot_gpu("vega10", kernel))
    error = client.info_fails(info.AMDGPU_INFO_HW_IP_COUNT, 4, ip)
    assert error == (EINVAL if expected is None else 0)
    if expected is not None:
        assert client.info(info.AMDGPU_INFO_HW_IP_COUNT, 4, ip) == expected.to_bytes(4, "little")


@pytest.mark.parametrize(
    ("kernel", "gpu", "ip", "expected"),
    [
        ("7.3", "vega10", COMPUTE, errno.EOPNOTSUPP),
        ("7.3", "vega10", SDMA, errno.EOPNOTSUPP),
        ("7.3", "navi31", COMPUTE, (2048, 256)),
        ("7.3", "navi31", SDMA, (32, 4)),
        ("base", "navi31", COMPUTE, EINVAL),
    ],
)
def test_user_queues_of_all_engines_need_areas(kernel: str, gpu: str, ip: int, expected: int | tuple[int, int]) -> None:
    """`amdgpu_userq_metadata_info_compute` and `.._sdma`: what a queue saves there, from GFX11 on."""
    client = Client(boot_gpu(gpu, kernel))
    if isinstance(expected, int):
        assert client.info_fails(info.AMDGPU_INFO_UQ_FW_AREAS, 16, ip) == expected
    else:
        assert struct.unpack("<4I", client.info(info.AMDGPU_INFO_UQ_FW_AREAS, 16, ip)) == (*expected, 0, 0)


@pytest.mark.parametrize(("kernel", "stalls"), [("6.12", True), ("7.3", False)])
def test_clears_take_turns(kernel: str, stalls: bool) -> None:
    """E2: a wipe that waits for a gate holds up the next clear of VRAM; in 7.3 only that of the same FIFO."""
    client = Client(boot_gpu("vega10", kernel))
    gated = client.bo(PAGE, drm.AMDGPU_GEM_DOMAIN_VRAM)
    gate, fence = client.gate()
    client.submit(SDMA, None, gate, (drm.AMDGPU_CHUNK_ID_BO_HANDLES, client.bo_handles_chunk(gated)))
    client.ioctl(core.IOCTL_GEM_CLOSE, handle=gated)
    fresh = client.object(client.bo(PAGE, drm.AMDGPU_GEM_DOMAIN_VRAM))
    client.settle()
    assert any(not one.signaled for one in fresh.resv.iter(DMA_RESV_USAGE_KERNEL)) == stalls
    client.open_gate(fence)
    assert all(one.signaled for one in fresh.resv.iter(DMA_RESV_USAGE_KERNEL))
