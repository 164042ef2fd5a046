# SPDX-License-Identifier: MIT
"""User fences that are not where a packet can write them: no ioctl says so, the ring's emission does."""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.amdgpu_client import COMPUTE, SDMA, Client, boot_gpu
from tests.mock.kernel.fake_caller import IoctlError


def with_fence(gpu: str, kernel: str, ip: int, offset: int) -> tuple[Client, int, int]:
    """A client, the BO of a user fence, and the number of the submission that has it."""
    client = Client(boot_gpu(gpu, kernel))
    bo = client.bo()
    chunk = drm.AMDGPU_CHUNK_ID_FENCE, drm.CS_CHUNK_FENCE.pack(handle=bo, offset=offset)
    sequence = client.submit(ip, None, chunk)
    client.settle()
    return client, bo, sequence


@pytest.mark.parametrize(
    ("gpu", "kernel", "ip", "offset", "at"),
    [
        ("navi31", "7.3", COMPUTE, 12, 8),
        ("navi31", "6.12", COMPUTE, 4, 0),
        ("vega10", "7.3", SDMA, 6, 4),
        ("vega10", "6.1", SDMA, 6, 4),
    ],
)
def test_kernels_of_2026_warn(gpu: str, kernel: str, ip: int, offset: int, at: int) -> None:
    """The packet has no room for the lower bits of the address; the job is done."""
    client, bo, sequence = with_fence(gpu, kernel, ip, offset)
    assert "ring_emit_fence: user fence at" in client.log()
    assert "WARNING" in client.log()
    assert int.from_bytes(client.read(bo, 8, at), "little") == sequence


@pytest.mark.parametrize(("gpu", "kernel", "ip"), [("navi31", "6.1", COMPUTE), ("navi31", "6.18", SDMA)])
def test_older_kernels_have_a_bug_there(gpu: str, kernel: str, ip: int) -> None:
    """BUG_ON() of CVE-2026-46220: a real machine loses the ring's worker, here the job ends."""
    client, _, sequence = with_fence(gpu, kernel, ip, 2)
    assert "kernel BUG in " in client.log()
    with pytest.raises(IoctlError) as caught:
        client.wait(ip, sequence)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("gpu", "kernel", "ip", "offset"), [("polaris10", "7.3", COMPUTE, 4), ("navi31", "7.3", SDMA, 4)]
)
def test_what_a_packet_can_write_is_nothing_to_speak_of(gpu: str, kernel: str, ip: int, offset: int) -> None:
    """GFX8 does not check; SDMA writes dwords."""
    client, _, _ = with_fence(gpu, kernel, ip, offset)
    assert "WARNING" not in client.log()
