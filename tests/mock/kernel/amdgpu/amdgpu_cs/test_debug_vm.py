# SPDX-License-Identifier: MIT
"""debug_vm: after a submission its buffers count as moved, so that nobody can forget to list them."""

from __future__ import annotations

import pytest

from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.amdgpu_client import COMPUTE, Client, boot_gpu

VA = 0x1_0000_0000


def moved_after(kernel: str, *, succeeds: bool) -> bool:
    """Whether a buffer counts as moved behind a submission that listed it."""
    client = Client(boot_gpu("navi31", kernel))
    client.adev.debug_vm = True
    bo = client.bo()
    client.map(bo, VA)
    listed = (drm.AMDGPU_CHUNK_ID_BO_HANDLES, client.bo_handles_chunk(bo, client._ib_bo))
    client.submit(COMPUTE, None, listed)
    client.settle()
    client.object(bo).vm_bo[client.fpriv.vm].moved = False
    ib = (drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(COMPUTE))
    # Looked up behind the buffers' list, in the second pass: too late for nothing to be done, too early to be queued.
    missing = (drm.AMDGPU_CHUNK_ID_SYNCOBJ_IN, (77).to_bytes(4, "little"))
    error = client.cs_fails(ib, listed, *(() if succeeds else (missing,)))
    assert (error == 0) == succeeds
    return client.object(bo).vm_bo[client.fpriv.vm].moved


@pytest.mark.parametrize(
    ("kernel", "after_failure"), [("6.1", False), ("base", False), ("6.12", True), ("7.2", True), ("7.3", True)]
)
def test_buffers_count_as_moved_after_a_submission(kernel: str, *, after_failure: bool) -> None:
    """Current kernels do it where the submission is cleared up, whatever came of it (amdgpu_cs_parser_fini)."""
    assert moved_after(kernel, succeeds=True)
    assert moved_after(kernel, succeeds=False) == after_failure
