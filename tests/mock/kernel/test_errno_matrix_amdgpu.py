# SPDX-License-Identifier: MIT
"""Errors of amdgpu's ioctls for buffers, contexts, lists and queries, and their order (KERNEL.md 2.3 to 2.9; T14)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from amdgpu_hw.mock.kernel.errno_ import ENOTSUPP
from amdgpu_hw.proof.errnos import NO_HANDLE, buffers, of
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import amdgpu_info as info
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, PAGE, SDMA, Client, boot_gpu
from tests.mock.kernel.errno_matrix import BAD, Row, matrix, on, row

NEW, STABLE, OLD = "base", "6.18", "6.12"
ALL = (NEW, STABLE, OLD, "series-v1", "series-fixed")
EINVAL, ENOENT, EFAULT, EACCES, EPERM, ENOMEM, EBUSY = (
    errno.EINVAL,
    errno.ENOENT,
    errno.EFAULT,
    errno.EACCES,
    errno.EPERM,
    errno.ENOMEM,
    errno.EBUSY,
)
GTT, GDS = drm.AMDGPU_GEM_DOMAIN_GTT, drm.AMDGPU_GEM_DOMAIN_GDS
ALWAYS_VALID, ENCRYPTED = drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID, drm.AMDGPU_GEM_CREATE_ENCRYPTED


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


_CREATE, _META, _OP = drm.IOCTL_AMDGPU_GEM_CREATE, drm.IOCTL_AMDGPU_GEM_METADATA, drm.IOCTL_AMDGPU_GEM_OP
_LIST_HANDLES, _CTX, _SCHED = drm.IOCTL_AMDGPU_GEM_LIST_HANDLES, drm.IOCTL_AMDGPU_CTX, drm.IOCTL_AMDGPU_SCHED
_MAPPING_INFO = drm.AMDGPU_GEM_OP_GET_MAPPING_INFO

GEM_ROWS: tuple[Row, ...] = (
    *on(ALL, buffers.ROWS),
    row("any tiling", _META, 0, *ALL, handle=of("any"), op=1, tiling_info=7 << 9),
    *(
        row(f"flag {bit} cannot be asked for", _CREATE, EINVAL, *ALL, bo_size=PAGE, domains=GTT, domain_flags=1 << bit)
        for bit in (4, 5, 8, 11, 17, 40)
    ),
    *(
        row(f"flag {bit} came later", _CREATE, EINVAL, OLD, bo_size=PAGE, domains=GTT, domain_flags=1 << bit)
        for bit in (9, 13, 14, 15)
    ),
    *(
        row(f"flag {bit}", _CREATE, 0, NEW, bo_size=PAGE, domains=GTT, domain_flags=1 << bit)
        for bit in (0, 1, 2, 3, 6, 7, 9, 12, 13, 14, 15, 16)
    ),
    row("encrypted", _CREATE, EINVAL, *ALL, bo_size=PAGE, domains=GTT, domain_flags=ENCRYPTED),
    row("registers", _CREATE, EINVAL, *ALL, bo_size=PAGE, domains=drm.AMDGPU_GEM_DOMAIN_MMIO_REMAP),
    row("always valid on chip", _CREATE, EINVAL, *ALL, bo_size=1, domains=GDS, domain_flags=ALWAYS_VALID),
    row("padding before handle", _OP, EINVAL, NEW, STABLE, handle=NO_HANDLE, padding=1),
    row("padding is not there yet", _OP, ENOENT, OLD, handle=NO_HANDLE, padding=1),
    row("mapping info came later", _OP, EINVAL, OLD, handle=of("mapped"), op=_MAPPING_INFO),
    row("not writable", _OP, EFAULT, NEW, STABLE, handle=of("mapped"), op=_MAPPING_INFO, value=BAD, num_entries=1),
    row("too small is not an error", _OP, 0, NEW, STABLE, handle=of("mapped"), op=_MAPPING_INFO, value=BAD),
    row("room beyond 2 GiB", _OP, EINVAL, NEW, handle=of("mapped"), op=_MAPPING_INFO, num_entries=1 << 26),
    row("room beyond 2 GiB", _OP, ENOMEM, STABLE, handle=of("mapped"), op=_MAPPING_INFO, num_entries=1 << 26),
    row("not before 6.18", _LIST_HANDLES, EINVAL, OLD),
    row("too small is not an error", _LIST_HANDLES, 0, NEW, STABLE, entries=BAD, num_entries=1),
    row("not writable", _LIST_HANDLES, EFAULT, NEW, STABLE, entries=BAD, num_entries=9),
    *(
        entry
        for ioctl in (drm.IOCTL_AMDGPU_USERQ, drm.IOCTL_AMDGPU_USERQ_SIGNAL, drm.IOCTL_AMDGPU_USERQ_WAIT)
        for entry in (row("switched off", ioctl, ENOTSUPP, NEW, STABLE), row("not before 6.16", ioctl, EINVAL, OLD))
    ),
)


@matrix(GEM_ROWS)
def test_t14_errors_for_buffers_and_lists(client: Owner, row: Row) -> None:
    """Each row ends with the errno of the first check that fails."""
    row.check(client)


def ctx(op: str, **fields: int | Callable[[Any], int]) -> dict[str, Any]:
    """Fields of a CTX operation on the client's context."""
    return {"op": getattr(drm, f"AMDGPU_CTX_OP_{op}"), "ctx_id": of("ctx"), **fields}


_BY_ID = ("FREE_CTX", "QUERY_STATE", "QUERY_STATE2", "GET_STABLE_PSTATE")

CTX_ROWS: tuple[Row, ...] = (
    row("unknown op", _CTX, EINVAL, op=0),
    row("unknown op", _CTX, EINVAL, op=7),
    row("alloc with flags", _CTX, EINVAL, **ctx("ALLOC_CTX", flags=1)),
    row("flags before priority", _CTX, EINVAL, **ctx("ALLOC_CTX", flags=1, priority=512)),
    row("high priority", _CTX, EACCES, **ctx("ALLOC_CTX", priority=512)),
    row("very high priority", _CTX, EACCES, **ctx("ALLOC_CTX", priority=1023)),
    row("garbage is normal priority", _CTX, 0, **ctx("ALLOC_CTX", priority=513)),
    row("unset is normal priority", _CTX, 0, **ctx("ALLOC_CTX", priority=-2048)),
    *(row(f"{op} with flags", _CTX, EINVAL, **ctx(op, flags=1)) for op in _BY_ID),
    *(row(f"{op} of unknown", _CTX, EINVAL, **ctx(op, ctx_id=NO_HANDLE)) for op in _BY_ID),
    *(row(f"{op} of 0", _CTX, EINVAL, **ctx(op, ctx_id=0)) for op in _BY_ID),
    row("unknown state", _CTX, EINVAL, **ctx("SET_STABLE_PSTATE", flags=5)),
    row("flags beyond the state", _CTX, EINVAL, **ctx("SET_STABLE_PSTATE", flags=0x10)),
    row("state of unknown", _CTX, EINVAL, **ctx("SET_STABLE_PSTATE", flags=1, ctx_id=NO_HANDLE)),
)


@matrix(CTX_ROWS)
def test_t14_errors_for_contexts(client: Owner, row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a client that is neither root nor master."""
    monkeypatch.setattr("amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx.capable", lambda _caller: False)
    row.check(client)


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


SCHED_ROWS: tuple[Row, ...] = (
    row("unknown op", _SCHED, EINVAL, op=0, fd=900),
    row("invalid priority", _SCHED, EINVAL, op=1, priority=1, fd=900),
    row("unset is invalid", _SCHED, EINVAL, op=1, priority=-2048, fd=of("fd")),
    row("closed", _SCHED, EINVAL, op=1, fd=900),
    row("unknown context", _SCHED, EINVAL, op=2, fd=of("fd"), ctx_id=NO_HANDLE),
    row("all contexts", _SCHED, 0, op=1, fd=of("fd")),
    row("one context", _SCHED, 0, op=2, fd=of("fd"), ctx_id=of("ctx")),
)


@matrix(SCHED_ROWS)
def test_t14_errors_of_sched(variant: str, row: Row) -> None:
    """From the master."""
    row.check(Client(boot_gpu(variant=variant), path="/dev/dri/card0"))


def test_tile_split_is_checked_up_to_gfx8() -> None:
    """7 is EINVAL on Polaris, whose display engine knows less; metadata and tiling stay what they were."""
    client = Owner(NEW, "polaris10")
    fields = {"handle": client.any, "op": drm.AMDGPU_GEM_METADATA_OP_SET_METADATA}
    assert client.fails(_META, **fields, tiling_info=7 << 9) == EINVAL
    assert client.object(client.any).tiling_flags == 0
    assert client.fails(_META, **fields, tiling_info=6 << 9) == 0


# -- INFO -----------------------------------------------------------------------------------------------------------

_ROOM = 512

INFO_ROWS: tuple[tuple[str, int, tuple[int, ...], int, tuple[str, ...]], ...] = (
    ("no display", info.AMDGPU_INFO_CRTC_FROM_ID, (), EINVAL, ALL),
    ("unknown IP", info.AMDGPU_INFO_HW_IP_INFO, (10,), EINVAL, ALL),
    ("instance", info.AMDGPU_INFO_HW_IP_INFO, (GFX, 1), EINVAL, ALL),
    ("absent IP", info.AMDGPU_INFO_HW_IP_INFO, (drm.AMDGPU_HW_IP_UVD,), 0, ALL),
    ("unknown IP", info.AMDGPU_INFO_HW_IP_COUNT, (10,), EINVAL, ALL),
    ("absent IP", info.AMDGPU_INFO_HW_IP_COUNT, (drm.AMDGPU_HW_IP_UVD,), EINVAL, ALL),
    ("compute", info.AMDGPU_INFO_HW_IP_COUNT, (COMPUTE,), 0, ALL),
    ("firmware instance", info.AMDGPU_INFO_FW_VERSION, (info.AMDGPU_INFO_FW_GFX_ME, 1), EINVAL, ALL),
    ("unknown firmware", info.AMDGPU_INFO_FW_VERSION, (9,), EINVAL, ALL),
    ("third MEC", info.AMDGPU_INFO_FW_VERSION, (info.AMDGPU_INFO_FW_GFX_MEC, 0, 2), EINVAL, ALL),
    ("no such SDMA", info.AMDGPU_INFO_FW_VERSION, (info.AMDGPU_INFO_FW_SDMA, 0, 9), EINVAL, ALL),
    ("no such TA", info.AMDGPU_INFO_FW_VERSION, (info.AMDGPU_INFO_FW_TA, 0, 1), EINVAL, ALL),
    ("no such engine", info.AMDGPU_INFO_READ_MMR_REG, (0x263E, 1, 4), EINVAL, ALL),
    ("no such array", info.AMDGPU_INFO_READ_MMR_REG, (0x263E, 1, 0x200), EINVAL, ALL),
    ("too many registers", info.AMDGPU_INFO_READ_MMR_REG, (0x263E, 129, 0xFFFFFFFF), EINVAL, ALL),
    ("not on the list", info.AMDGPU_INFO_READ_MMR_REG, (0x1, 1, 0xFFFFFFFF), EFAULT, ALL),
    ("beyond the VBIOS", info.AMDGPU_INFO_VBIOS, (info.AMDGPU_INFO_VBIOS_IMAGE, 1 << 20), EINVAL, ALL),
    ("unknown part", info.AMDGPU_INFO_VBIOS, (9,), EINVAL, ALL),
    ("UVD handles", info.AMDGPU_INFO_NUM_HANDLES, (drm.AMDGPU_HW_IP_UVD,), errno.ENODATA, ALL),
    ("other handles", info.AMDGPU_INFO_NUM_HANDLES, (GFX,), EINVAL, ALL),
    ("sensor 0", info.AMDGPU_INFO_SENSOR, (0,), EINVAL, ALL),
    ("unknown sensor", info.AMDGPU_INFO_SENSOR, (99,), EINVAL, ALL),
    ("no RAS", info.AMDGPU_INFO_RAS_ENABLED_FEATURES, (), EINVAL, ALL),
    ("neither decode nor encode", info.AMDGPU_INFO_VIDEO_CAPS, (2,), EINVAL, ALL),
    ("fault of nobody", info.AMDGPU_INFO_GPUVM_FAULT, (), 0, ALL),
    ("user queues of SDMA", info.AMDGPU_INFO_UQ_FW_AREAS, (SDMA,), EINVAL, ALL),
    ("user queues of GFX", info.AMDGPU_INFO_UQ_FW_AREAS, (GFX,), 0, (NEW, STABLE)),
    ("not before 6.16", info.AMDGPU_INFO_UQ_FW_AREAS, (GFX,), EINVAL, (OLD,)),
    ("never was", 0x04, (), EINVAL, ALL),
    ("not yet", 0x25, (), EINVAL, ALL),
)


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
    assert client.info_fails(query, _ROOM, *args) == expected
    fields = {"query": query, **{f"arg{i}": value for i, value in enumerate(args)}}
    assert client.fails(drm.IOCTL_AMDGPU_INFO, return_pointer=BAD, **fields) == EINVAL
    assert client.fails(drm.IOCTL_AMDGPU_INFO, return_size=4, **fields) == EINVAL
    assert client.fails(drm.IOCTL_AMDGPU_INFO, return_pointer=BAD, return_size=4, **fields) == (expected or EFAULT)


@pytest.mark.parametrize(("variant", "size"), [(OLD, 440), (STABLE, 448), (NEW, 448)])
def test_dev_info_has_grown(variant: str, size: int) -> None:
    """What lies behind the reply of an older kernel stays as it was."""
    client = Client(boot_gpu(variant=variant))
    fields = client.info_request(info.AMDGPU_INFO_DEV_INFO, _ROOM)
    client.caller.copy_to_user(client.reply, b"\xa5" * _ROOM)
    client.ioctl(drm.IOCTL_AMDGPU_INFO, **fields)
    reply = client.caller.copy_from_user(client.reply, _ROOM)
    assert reply[size:] == b"\xa5" * (_ROOM - size)
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
