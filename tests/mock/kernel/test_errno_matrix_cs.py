# SPDX-License-Identifier: MIT
"""Errors of submissions and of waiting for them, and their order (KERNEL.md 2.7, 2.8, E16; T14)."""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.mock.kernel.errno_ import errno_name
from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, SDMA, Client, boot_gpu
from tests.mock.kernel.errno_matrix import check, matrix
from tests.mock.kernel.errnos import BAD, NO_HANDLE, Row
from tests.mock.kernel.errnos.submissions import SUBMISSIONS, Submission, ib, point
from tests.mock.kernel.errnos.waiting import WAIT_ROWS
from tests.mock.kernel.fake_caller import IoctlError

OLD = "6.12"
EINVAL, ENOENT, EFAULT = errno.EINVAL, errno.ENOENT, errno.EFAULT
_IB, _IN, _CE = drm.AMDGPU_CHUNK_ID_IB, drm.AMDGPU_CHUNK_ID_SYNCOBJ_IN, drm.AMDGPU_IB_FLAG_CE
_WAIT = drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_WAIT


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


@matrix(WAIT_ROWS)
def test_t14_errors_of_waiting(variant: str, row: Row) -> None:
    """From a client that has made one submission, to SDMA."""
    client = Client(boot_gpu(variant=variant))
    client.submit(SDMA)
    check(client, row)
