# SPDX-License-Identifier: MIT
"""Errors of amdgpu's ioctls for buffers, contexts, lists and queries, and their order (KERNEL.md 2.3 to 2.9; T14)."""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import amdgpu_info as info
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.amdgpu_client import Client, boot_gpu
from tests.mock.kernel.errno_matrix import check, matrix
from tests.mock.kernel.errnos import BAD, Row
from tests.mock.kernel.errnos.contexts import CTX_ROWS, SCHED_ROWS
from tests.mock.kernel.errnos.gem import GEM_ROWS
from tests.mock.kernel.errnos.queries import INFO_ROWS, ROOM

NEW, STABLE, OLD = "base", "6.18", "6.12"
EINVAL, EFAULT, EACCES, EBUSY = errno.EINVAL, errno.EFAULT, errno.EACCES, errno.EBUSY
_META, _CTX = drm.IOCTL_AMDGPU_GEM_METADATA, drm.IOCTL_AMDGPU_CTX


class Owner(Client):
    """A client with one buffer of each kind."""

    def __init__(self, variant: str, gpu: str = "navi31") -> None:
        super().__init__(boot_gpu(gpu, variant))
        self.any = self.bo()
        self.hidden = self.bo(flags=drm.AMDGPU_GEM_CREATE_NO_CPU_ACCESS)
        self.mapped = self.bo()
        self.map(self.mapped, 0x80_0000)

    def entries(self, *handles: int) -> int:
        """Address of a BO list's entries."""
        return self.caller.alloc(b"".join(drm.BO_LIST_ENTRY.pack(bo_handle=handle) for handle in handles))


@pytest.fixture
def client(variant: str) -> Owner:
    """A client on the kernel of the row."""
    return Owner(variant)


@matrix(GEM_ROWS)
def test_t14_errors_for_buffers_and_lists(client: Owner, row: Row) -> None:
    """Each row ends with the errno of the first check that fails."""
    check(client, row)


@matrix(CTX_ROWS)
def test_t14_errors_for_contexts(client: Owner, row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a client that is neither root nor master."""
    monkeypatch.setattr("amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx.capable", lambda _caller: False)
    check(client, row)


def test_who_dropped_mastership_gets_no_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """The current master may have high priority; EACCES afterwards, and the id that comes back is 0."""
    monkeypatch.setattr("amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx.capable", lambda _caller: False)
    master = Client(boot_gpu(), path="/dev/dri/card0")
    high = {"op": drm.AMDGPU_CTX_OP_ALLOC_CTX, "priority": drm.AMDGPU_CTX_PRIORITY_HIGH}
    assert master.fails(_CTX, **high) == 0
    master.ioctl(core.IOCTL_DROP_MASTER)
    assert master.fails(_CTX, **high) == EACCES
    request = drm.CTX_IN.pack(**high)
    error, reply = master.caller.raw(master.fd, _CTX.request, request)
    assert (error, drm.CTX_IN.as_dict(reply)["op"]) == (EACCES, 0)


def test_contexts_run_out() -> None:
    """Ids end at 4095: ENOSPC, also for a priority one may not have."""
    client = Client()
    for _ in range(4094):
        client.new_ctx()
    assert client.fails(_CTX, op=drm.AMDGPU_CTX_OP_ALLOC_CTX) == errno.ENOSPC


@matrix(SCHED_ROWS)
def test_t14_errors_of_sched(variant: str, row: Row) -> None:
    """From the master."""
    check(Client(boot_gpu(variant=variant), path="/dev/dri/card0"), row)


def test_tile_split_is_checked_up_to_gfx8() -> None:
    """7 is EINVAL on Polaris, whose display engine knows less; metadata and tiling stay what they were."""
    client = Owner(NEW, "polaris10")
    fields = {"handle": client.any, "op": drm.AMDGPU_GEM_METADATA_OP_SET_METADATA}
    assert client.fails(_META, **fields, tiling_info=7 << 9) == EINVAL
    assert client.object(client.any).tiling_flags == 0
    assert client.fails(_META, **fields, tiling_info=6 << 9) == 0


# -- INFO -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "query", "args", "expected"),
    [
        pytest.param(variant, query, args, expected, id=f"{variant}-{query:#04x}-{why}")
        for why, query, args, expected, variants in INFO_ROWS
        for variant in variants
    ],
)
def test_t14_errors_of_info(variant: str, query: int, args: tuple[int, ...], expected: int) -> None:
    """Room for the reply is checked first, then the query, last whether the reply can be written."""
    client = Client(boot_gpu(variant=variant))
    assert client.info_fails(query, ROOM, *args) == expected
    fields = {"query": query, **{f"arg{i}": value for i, value in enumerate(args)}}
    assert client.fails(drm.IOCTL_AMDGPU_INFO, return_pointer=BAD, **fields) == EINVAL
    assert client.fails(drm.IOCTL_AMDGPU_INFO, return_size=4, **fields) == EINVAL
    assert client.fails(drm.IOCTL_AMDGPU_INFO, return_pointer=BAD, return_size=4, **fields) == (expected or EFAULT)


@pytest.mark.parametrize(("variant", "size"), [(OLD, 440), (STABLE, 448), (NEW, 448)])
def test_dev_info_has_grown(variant: str, size: int) -> None:
    """What lies behind the reply of an older kernel stays as it was."""
    client = Client(boot_gpu(variant=variant))
    fields = client.info_request(info.AMDGPU_INFO_DEV_INFO, ROOM)
    client.caller.copy_to_user(client.reply, b"\xa5" * ROOM)
    client.ioctl(drm.IOCTL_AMDGPU_INFO, **fields)
    reply = client.caller.copy_from_user(client.reply, ROOM)
    assert reply[size:] == b"\xa5" * (ROOM - size)
    assert reply[size - 4 : size] == bytes(4), "the last field is 0 on this GPU"


def test_clocks_are_pinned_by_one_context() -> None:
    """A pstate another context has pinned is EBUSY; the owner changes it and gives it back."""
    client = Client()
    other = client.new_ctx()
    pin = {"op": drm.AMDGPU_CTX_OP_SET_STABLE_PSTATE}
    assert client.fails(_CTX, **pin, ctx_id=client.ctx, flags=1) == 0
    assert client.fails(_CTX, **pin, ctx_id=other, flags=1) == EBUSY
    assert client.fails(_CTX, **pin, ctx_id=client.ctx, flags=0) == 0
    assert client.fails(_CTX, **pin, ctx_id=other, flags=4) == 0
