# SPDX-License-Identifier: MIT
"""BO_LIST: lists of buffers by handle."""

from __future__ import annotations

import errno
import struct

import pytest

from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.amdgpu_client import SDMA, Client

BO_LIST = drm.IOCTL_AMDGPU_BO_LIST
CREATE, DESTROY, UPDATE = (
    drm.AMDGPU_BO_LIST_OP_CREATE,
    drm.AMDGPU_BO_LIST_OP_DESTROY,
    drm.AMDGPU_BO_LIST_OP_UPDATE,
)


@pytest.fixture
def client() -> Client:
    """A client on navi31."""
    return Client()


def entries(client: Client, *handles: int, priority: int = 0) -> dict[str, int]:
    """Fields for an array of BOs."""
    data = b"".join(drm.BO_LIST_ENTRY.pack(bo_handle=handle, bo_priority=priority) for handle in handles)
    return {"bo_number": len(handles), "bo_info_size": 8, "bo_info_ptr": client.caller.alloc(data)}


def create(client: Client, *handles: int) -> int:
    """A new list's handle."""
    return int(client.ioctl(BO_LIST, operation=CREATE, **entries(client, *handles))["operation"])


def test_lists_are_numbered_from_1(client: Client) -> None:
    """Handles are per file, the lowest free one first."""
    a = client.bo()
    assert [create(client, a), create(client), create(client, a, a)] == [1, 2, 3]
    client.ioctl(BO_LIST, operation=DESTROY, list_handle=2)
    assert create(client, a) == 2


def test_a_list_keeps_its_buffers(client: Client) -> None:
    """A reference per entry, given back when the list is replaced or destroyed."""
    a, b = client.bo(), client.bo()
    objects = client.object(a), client.object(b)
    before = [bo.refcount for bo in objects]
    handle = create(client, a, a)
    assert [bo.refcount for bo in objects] == [before[0] + 2, before[1]]
    client.ioctl(BO_LIST, operation=UPDATE, list_handle=handle, **entries(client, b))
    assert [bo.refcount for bo in objects] == [before[0], before[1] + 1]
    client.ioctl(BO_LIST, operation=DESTROY, list_handle=handle)
    assert [bo.refcount for bo in objects] == before


def test_errors(client: Client) -> None:
    """The array first (EFAULT), then buffers and list (ENOENT), an unknown operation last (EINVAL)."""
    a = client.bo()
    good = entries(client, a)
    assert client.fails(BO_LIST, operation=9, bo_number=1, bo_info_size=8, bo_info_ptr=0x10) == errno.EFAULT
    assert client.fails(BO_LIST, operation=9, **good) == errno.EINVAL
    assert client.fails(BO_LIST, operation=CREATE, **entries(client, a, 99)) == errno.ENOENT
    assert client.fails(BO_LIST, operation=UPDATE, list_handle=9, **good) == errno.ENOENT
    assert client.fails(BO_LIST, operation=DESTROY, list_handle=9) == 0
    assert client.fails(BO_LIST, operation=CREATE, bo_number=131073, bo_info_size=8) == errno.EINVAL
    assert client.object(a).refcount == 1, "a refused list keeps a reference"


@pytest.mark.parametrize("size", [4, 12, 16])
def test_records_of_another_size(client: Client, size: int) -> None:
    """Other headers have other records: the known part counts, what is missing is 0."""
    a, b = client.bo(), client.bo()
    data = b"".join(struct.pack("<I", handle).ljust(size, b"\0") for handle in (a, b))
    fields = {"bo_number": 2, "bo_info_size": size, "bo_info_ptr": client.caller.alloc(data)}
    assert client.fails(BO_LIST, operation=CREATE, **fields) == 0
    bo_list = client.fpriv.bo_list_handles.find(1)
    assert bo_list is not None
    assert bo_list.bos == [client.object(a), client.object(b)]


def test_a_submission_uses_a_list_by_handle(client: Client) -> None:
    """The job's fence is on the buffers of the list, also when the list is destroyed at once."""
    a = client.bo()
    handle = create(client, a)
    gate, fence = client.gate()
    client.submit(SDMA, None, gate, bo_list=handle)
    client.ioctl(BO_LIST, operation=DESTROY, list_handle=handle)
    assert not client.object(a).resv.test_signaled(2)
    client.open_gate(fence)
    assert client.object(a).resv.test_signaled(2)


def test_no_list_at_all_is_legal(client: Client) -> None:
    """Handle 0 means none."""
    client.wait(SDMA, client.submit(SDMA, bo_list=0))
