# SPDX-License-Identifier: MIT
"""Errors of submissions and of waiting for them, and their order (KERNEL.md 2.7, 2.8, E16; T14)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import pytest

from amdgpu_hw.mock.kernel.errno_ import errno_name
from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, PAGE, SDMA, Client, boot_gpu
from tests.mock.kernel.errno_matrix import BAD, Argument, Row, matrix, row
from tests.mock.kernel.fake_caller import IoctlError

NEW, STABLE, OLD = "base", "6.18", "6.12"
ALL = (NEW, STABLE, OLD)
NO_HANDLE = 77
EINVAL, ENOENT, EFAULT = errno.EINVAL, errno.ENOENT, errno.EFAULT
LATEST = (1 << 64) - 1

Chunk: TypeAlias = "Callable[[Client], tuple[int, bytes]]"


def ib(ip: int = GFX, ring: int = 0, instance: int = 0, flags: int = 0) -> Chunk:
    """An IB of NOPs."""
    fields = {"va_start": 0x10_0000, "ib_bytes": 32, "ip_type": ip, "ip_instance": instance, "ring": ring}
    return lambda _: (drm.AMDGPU_CHUNK_ID_IB, drm.CS_CHUNK_IB.pack(**fields, flags=flags))


def chunk(chunk_id: int, data: bytes = b"") -> Chunk:
    """Any chunk."""
    return lambda _: (chunk_id, data)


def user_fence(size: int = PAGE, offset: int = 0) -> Chunk:
    """A user fence in a new buffer."""
    return lambda c: (drm.AMDGPU_CHUNK_ID_FENCE, drm.CS_CHUNK_FENCE.pack(handle=c.bo(size), offset=offset))


def bo_handles(*handles: int) -> Chunk:
    """An inline BO list."""
    return lambda c: (drm.AMDGPU_CHUNK_ID_BO_HANDLES, c.bo_handles_chunk(*handles))


def dependency(sequence: int, ip: int = GFX, ring: int = 0, instance: int = 0, ctx: int = 1, seq_id: int = 0) -> Chunk:
    """A dependency on a submission."""
    data = drm.CS_CHUNK_DEP.pack(ip_type=ip, ip_instance=instance, ring=ring, ctx_id=ctx, handle=sequence)
    return chunk(seq_id or drm.AMDGPU_CHUNK_ID_DEPENDENCIES, data)


def sem(chunk_id: int, handle: int) -> Chunk:
    """One syncobj by number."""
    return chunk(chunk_id, drm.CS_CHUNK_SEM.pack(handle=handle))


def new_sem(chunk_id: int) -> Chunk:
    """A new, empty syncobj."""
    return lambda c: (chunk_id, drm.CS_CHUNK_SEM.pack(handle=c.syncobj()))


def point(chunk_id: int, handle: int, flags: int = 0, at: int = 1) -> Chunk:
    """One point by number."""
    return chunk(chunk_id, drm.CS_CHUNK_SYNCOBJ.pack(handle=handle, flags=flags, point=at))


def new_point(chunk_id: int, flags: int = 0) -> Chunk:
    """A point of a new, empty syncobj."""
    return lambda c: (chunk_id, drm.CS_CHUNK_SYNCOBJ.pack(handle=c.syncobj(), flags=flags, point=1))


def shadow(flags: int = 0) -> Chunk:
    """Where the CP keeps its registers."""
    return chunk(drm.AMDGPU_CHUNK_ID_CP_GFX_SHADOW, drm.CS_CHUNK_CP_GFX_SHADOW.pack(flags=flags))


@dataclass(frozen=True)
class Submission:
    """A submission and how it ends on some kernels."""

    why: str
    expected: int
    chunks: tuple[Chunk, ...]
    variants: tuple[str, ...] = ALL
    bo_list: int = 0


_IN, _OUT = drm.AMDGPU_CHUNK_ID_SYNCOBJ_IN, drm.AMDGPU_CHUNK_ID_SYNCOBJ_OUT
_WAIT, _SIGNAL = drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_WAIT, drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_SIGNAL
_IB, _FENCE, _BOS = drm.AMDGPU_CHUNK_ID_IB, drm.AMDGPU_CHUNK_ID_FENCE, drm.AMDGPU_CHUNK_ID_BO_HANDLES
_SCHEDULED = drm.AMDGPU_CHUNK_ID_SCHEDULED_DEPENDENCIES
_CE, _PREEMPT = drm.AMDGPU_IB_FLAG_CE, drm.AMDGPU_IB_FLAG_PREEMPT

SUBMISSIONS: tuple[Submission, ...] = (
    # -- pass 1, in user order
    Submission("unknown chunk", EINVAL, (ib(), chunk(11))),
    Submission("chunk 0", EINVAL, (ib(), chunk(0))),
    Submission("short IB", EINVAL, (chunk(_IB, bytes(28)),)),
    Submission("unknown IP", EINVAL, (ib(10),)),
    Submission("instance", EINVAL, (ib(GFX, instance=1),)),
    Submission("ring", EINVAL, (ib(GFX, ring=1),)),
    Submission("fifth compute ring", EINVAL, (ib(COMPUTE, ring=4),)),
    Submission("no ring of the IP", EINVAL, (ib(drm.AMDGPU_HW_IP_VCN_DEC),)),
    Submission("gang of four", 0, tuple(ib(COMPUTE, ring) for ring in range(4))),
    Submission("gang of five", EINVAL, (*(ib(COMPUTE, ring) for ring in range(4)), ib(SDMA))),
    Submission("49 IBs for SDMA", 0, (ib(SDMA),) * 49),
    Submission("50 IBs for SDMA", EINVAL, (ib(SDMA),) * 50),
    Submission("125 IBs for compute", 0, (ib(COMPUTE),) * 125),
    Submission("126 IBs for compute", EINVAL, (ib(COMPUTE),) * 126),
    Submission("short user fence", EINVAL, (ib(), chunk(_FENCE, bytes(4)))),
    Submission("user fence in an unknown BO", EINVAL, (ib(), chunk(_FENCE, drm.CS_CHUNK_FENCE.pack(handle=77)))),
    Submission("user fence in two pages", EINVAL, (ib(), user_fence(2 * PAGE))),
    Submission("user fence at the end", 0, (ib(), user_fence(PAGE, PAGE - 8))),
    Submission("user fence beyond the end", EINVAL, (ib(), user_fence(PAGE, PAGE - 7))),
    Submission("short BO list", EINVAL, (ib(), chunk(_BOS, bytes(20)))),
    Submission("unknown BO in the list", ENOENT, (ib(), bo_handles(NO_HANDLE))),
    Submission("second BO list", EINVAL, (ib(), bo_handles(), bo_handles(NO_HANDLE))),
    Submission("no IB", EINVAL, (new_sem(_OUT), bo_handles())),
    Submission("nothing but a short chunk", EINVAL, (chunk(_IN, bytes(4)),)),
    Submission("pass 1 before pass 2", EINVAL, (ib(), sem(_IN, NO_HANDLE), chunk(11))),
    Submission("first chunk wins", ENOENT, (ib(), bo_handles(NO_HANDLE), chunk(11))),
    Submission("first chunk wins, other order", EINVAL, (ib(), chunk(11), bo_handles(NO_HANDLE))),
    # -- pass 2, in user order
    Submission("constant engine", EINVAL, (ib(flags=_CE),), (NEW, STABLE)),
    Submission("constant engine of SDMA", EINVAL, (ib(SDMA, flags=_CE),), (NEW, STABLE)),
    Submission("one preemptible IB", 0, (ib(flags=_PREEMPT), ib())),
    Submission("two preemptible IBs", EINVAL, (ib(flags=_PREEMPT), ib(flags=_PREEMPT))),
    Submission("two preemptible IBs of compute", 0, (ib(COMPUTE, flags=_PREEMPT), ib(COMPUTE, flags=_PREEMPT))),
    Submission("dependency of an unknown context", EINVAL, (ib(), dependency(0, ctx=NO_HANDLE, instance=1))),
    Submission("dependency on an unknown IP", EINVAL, (ib(), dependency(0, ip=10))),
    Submission("dependency on an instance", EINVAL, (ib(), dependency(0, instance=1))),
    Submission("dependency on an unknown ring", EINVAL, (ib(), dependency(0, ring=1))),
    Submission("dependency on what is to come", EINVAL, (ib(), dependency(1))),
    Submission("scheduled dependency on what is to come", EINVAL, (ib(), dependency(1, seq_id=_SCHEDULED))),
    Submission("dependency on nothing yet", 0, (ib(), dependency(LATEST))),
    Submission("part of a dependency is ignored", 0, (ib(), chunk(drm.AMDGPU_CHUNK_ID_DEPENDENCIES, bytes(20)))),
    Submission("unknown syncobj", ENOENT, (ib(), sem(_IN, NO_HANDLE))),
    Submission("syncobj without fence", EINVAL, (ib(), new_sem(_IN))),
    Submission("syncobj before flags", ENOENT, (ib(), point(_WAIT, NO_HANDLE, flags=4))),
    Submission("unknown flag", EINVAL, (ib(), new_point(_WAIT, flags=4))),
    Submission("unknown timeline", ENOENT, (ib(), point(_WAIT, NO_HANDLE))),
    Submission("unknown timeline to wait long for", ENOENT, (ib(), point(_WAIT, NO_HANDLE, flags=2))),
    Submission("point not submitted", EINVAL, (ib(), new_point(_WAIT))),
    Submission("part of a point is ignored", 0, (ib(), chunk(_WAIT, bytes(12)))),
    Submission("unknown syncobj to signal", EINVAL, (ib(), sem(_OUT, NO_HANDLE))),
    Submission("unknown timeline to signal", EINVAL, (ib(), point(_SIGNAL, NO_HANDLE))),
    Submission("flags of a point to signal", 0, (ib(), new_point(_SIGNAL, flags=0xFF))),
    Submission("two chunks to signal", EINVAL, (ib(), new_sem(_OUT), new_point(_SIGNAL))),
    Submission("two empty chunks to signal", EINVAL, (ib(), chunk(_OUT), chunk(_SIGNAL))),
    Submission("shadow flags", EINVAL, (ib(), shadow(2))),
    Submission("two shadows", 0, (ib(), shadow(), shadow(1))),
    Submission("the order of chunks is that of errors", ENOENT, (ib(), sem(_IN, NO_HANDLE), shadow(2))),
    Submission("the same the other way round", EINVAL, (ib(), shadow(2), sem(_IN, NO_HANDLE))),
    # -- behind the chunks
    Submission("unknown list", ENOENT, (ib(),), bo_list=NO_HANDLE),
    Submission("two lists, one unknown", EINVAL, (ib(), bo_handles()), bo_list=NO_HANDLE),
    Submission("pass 2 before the list", EINVAL, (ib(), shadow(2)), bo_list=NO_HANDLE),
)


@pytest.mark.parametrize(
    ("variant", "submission"),
    [pytest.param(v, entry, id=f"{v}-{entry.why}") for entry in SUBMISSIONS for v in entry.variants],
)
def test_t14_errors_of_submissions(variant: str, submission: Submission) -> None:
    """Each ends with the errno of the first check that fails, and what failed has submitted nothing."""
    client = Client(boot_gpu(variant=variant))
    found = client.cs_fails(*(make(client) for make in submission.chunks), bo_list=submission.bo_list)
    assert found == submission.expected, f"{errno_name(found)} instead of {errno_name(submission.expected)}"
    submitted = sum(centity.sequence - 1 for centity in client.ctx_object().entities.values())
    assert submitted == (0 if found else 1)


@pytest.mark.parametrize("contiguous", [True, False])
def test_a_header_that_cannot_be_read_does_not_win_over_an_earlier_chunk(contiguous: bool) -> None:
    """Chunk by chunk: the first one is unknown (EINVAL), the second has no header (EFAULT)."""
    client = Client()
    caller = client.caller
    end = 0x7000_0000_0000 + len(caller.memory)
    first = end - drm.CS_CHUNK.size if contiguous else caller.alloc(drm.CS_CHUNK.size)
    second = end if contiguous else BAD
    caller.copy_to_user(first, drm.CS_CHUNK.pack(chunk_id=11))
    fields = {"ctx_id": client.ctx, "num_chunks": 2, "chunks": caller.u64s(first, second)}
    assert client.fails(drm.IOCTL_AMDGPU_CS, **fields) == EINVAL
    caller.copy_to_user(first, drm.CS_CHUNK.pack(chunk_id=_IN))
    assert client.fails(drm.IOCTL_AMDGPU_CS, **fields) == EFAULT


def test_a_syncobj_without_fence_is_in_the_log() -> None:
    """The driver says which one it was."""
    client = Client()
    assert client.cs_fails(ib()(client), point(_WAIT, NO_HANDLE, at=7)(client)) == ENOENT
    assert "syncobj 77 failed to find fence @ 7 (-ENOENT)!" in client.log()


@pytest.mark.parametrize(("gpu", "runs"), [("vega10", True), ("navi21", True), ("navi31", False), ("navi48", False)])
def test_constant_engine_ibs_run_where_there_is_one(gpu: str, runs: bool) -> None:
    """6.12 lets them through. From GFX11 on its driver hits a BUG_ON(): a line in the log, the job fails."""
    client = Client(boot_gpu(gpu, OLD))
    sequence = client.cs((_IB, client.ib_chunk(GFX, flags=_CE)))
    if runs:
        client.wait(GFX, sequence)
        assert "kernel BUG" not in client.log()
        return
    with pytest.raises(IoctlError, match="EINVAL"):
        client.wait(GFX, sequence)
    assert "there is no constant engine" in client.log()


def test_constant_engine_ibs_run_with_the_debug_option() -> None:
    """debug=0x400: the IB runs like any other, whatever the GPU has."""
    client = Client(boot_gpu())
    client.adev.debug_enable_ce_cs = True
    client.wait(GFX, client.cs((_IB, client.ib_chunk(GFX, flags=_CE))))


@pytest.mark.parametrize(
    ("gpu", "ip", "offset", "runs"),
    [
        ("navi31", GFX, 4, True),
        ("navi31", GFX, 1, False),
        ("mi300x", COMPUTE, 2, False),
        ("polaris10", GFX, 3, True),
        ("navi31", SDMA, 31, True),
    ],
)
def test_ibs_at_odd_addresses(gpu: str, ip: int, offset: int, runs: bool) -> None:
    """Nothing checks the address: the packet has no room for the low bits, or the driver hits a BUG_ON()."""
    client = Client(boot_gpu(gpu))
    data = bytearray(client.ib_chunk(ip))
    start = drm.CS_CHUNK_IB.offset("va_start")
    address = int.from_bytes(data[start : start + 8], "little")
    data[start : start + 8] = (address + offset).to_bytes(8, "little")
    if offset == 4:  # behind the first of the NOPs
        data[start + 8 : start + 12] = (4).to_bytes(4, "little")
    sequence = client.cs((_IB, bytes(data)))
    if runs:
        client.wait(ip, sequence)
        assert "kernel BUG" not in client.log()
    else:
        with pytest.raises(IoctlError, match="EINVAL"):
            client.wait(ip, sequence)
        assert "kernel BUG" in client.log()


# -- WAIT_CS, WAIT_FENCES, FENCE_TO_HANDLE --------------------------------------------------------------------------

_WAIT_CS, _WAIT_FENCES = drm.IOCTL_AMDGPU_WAIT_CS, drm.IOCTL_AMDGPU_WAIT_FENCES
_TO_HANDLE = drm.IOCTL_AMDGPU_FENCE_TO_HANDLE
MAX_FENCES = (4 << 20) // drm.FENCE.size


def fences(*sequences: int) -> Callable[[Client], int]:
    """Address of fences of the client's SDMA ring."""
    return lambda c: c.caller.alloc(
        b"".join(drm.FENCE.pack(ctx_id=c.ctx, ip_type=SDMA, seq_no=sequence) for sequence in sequences)
    )


def by_ctx(client: Client) -> int:
    """The client's context."""
    return client.ctx


_NAMES: tuple[tuple[str, dict[str, Argument]], ...] = (
    ("unknown context", {"ctx_id": NO_HANDLE, "ip_instance": 1}),
    ("unknown IP", {"ctx_id": by_ctx, "ip_type": 10}),
    ("instance", {"ctx_id": by_ctx, "ip_type": SDMA, "ip_instance": 1}),
    ("ring", {"ctx_id": by_ctx, "ip_type": SDMA, "ring": 2}),
)
_TO_COME: dict[str, Argument] = {"ctx_id": by_ctx, "ip_type": SDMA}

WAIT_ROWS: tuple[Row, ...] = (
    *(row(why, _WAIT_CS, EINVAL, *ALL, **fields) for why, fields in _NAMES),
    row("not submitted", _WAIT_CS, EINVAL, *ALL, **_TO_COME, handle=2),
    row("latest", _WAIT_CS, 0, *ALL, **_TO_COME, handle=LATEST),
    row("unreadable", _WAIT_FENCES, EFAULT, *ALL, fences=BAD, fence_count=1),
    row("as many as can be", _WAIT_FENCES, EFAULT, *ALL, fences=BAD, fence_count=MAX_FENCES),
    row("too many", _WAIT_FENCES, errno.ENOMEM, *ALL, fences=BAD, fence_count=MAX_FENCES + 1),
    row("any of none", _WAIT_FENCES, EINVAL, *ALL, fences=BAD),
    row("all of none", _WAIT_FENCES, 0, *ALL, fences=BAD, wait_all=1),
    row("not submitted", _WAIT_FENCES, EINVAL, *ALL, fences=fences(1, 2), fence_count=2),
    row("all, one not submitted", _WAIT_FENCES, EINVAL, *ALL, fences=fences(1, 2), fence_count=2, wait_all=1),
    *(row(f"{why} before what", _TO_HANDLE, EINVAL, *ALL, **fields, what=99) for why, fields in _NAMES),
    row("not submitted", _TO_HANDLE, EINVAL, *ALL, **_TO_COME, seq_no=2),
    *(row(f"what {what}", _TO_HANDLE, 0, *ALL, **_TO_COME, seq_no=1, what=what) for what in range(3)),
    row("unknown what", _TO_HANDLE, EINVAL, *ALL, **_TO_COME, seq_no=1, what=3),
    row("padding is not looked at", _TO_HANDLE, 0, *ALL, **_TO_COME, seq_no=1, pad=1),
)


@matrix(WAIT_ROWS)
def test_t14_errors_of_waiting(variant: str, row: Row) -> None:
    """From a client that has made one submission, to SDMA."""
    client = Client(boot_gpu(variant=variant))
    client.submit(SDMA)
    row.check(client)
