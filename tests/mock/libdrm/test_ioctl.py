# SPDX-License-Identifier: MIT
"""`ioctl`: packing, addresses of buffers, replies and errors, against files that every Linux has."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from amdgpu_hw.errors import DrmError
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.uapi import sync_file
from amdgpu_hw.uapi.layout import Ioctl, Struct

FIONREAD = Ioctl("FIONREAD", 0x541B, Struct("int", "s32 count"), 0x541B)
IFCONF = Struct("ifconf", "s32 length; u64 buffer")
SIOCGIFCONF = Ioctl("SIOCGIFCONF", 0x8912, IFCONF, 0x8912)
FIOCLEX = Ioctl("FIOCLEX", 0x5451, None, 0x5451)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe: (read end, write end)."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_the_reply_is_decoded(pipe: tuple[int, int]) -> None:
    """What the kernel wrote into the struct comes back by field name."""
    os.write(pipe[1], b"12345")
    assert ioctl(pipe[0], FIONREAD) == {"count": 5}


def test_a_buffer_passes_its_address() -> None:
    """A bytearray given for an integer field is where the kernel writes to."""
    interfaces = bytearray(40 * 16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        reply = ioctl(sock.fileno(), SIOCGIFCONF, length=len(interfaces), buffer=interfaces)
    assert reply["length"] > 0, "a machine without any network interface?"
    assert interfaces[:16].rstrip(b"\0"), "the kernel wrote no interface name into the buffer"


def test_an_ioctl_without_argument() -> None:
    """One that takes no struct returns nothing."""
    read, write = os.pipe()
    os.set_inheritable(read, True)
    try:
        assert ioctl(read, FIOCLEX) == {}
        assert not os.get_inheritable(read)
    finally:
        os.close(read)
        os.close(write)


def test_an_error_names_the_ioctl_and_its_arguments(pipe: tuple[int, int]) -> None:
    """A refused ioctl is a DrmError with errno, name and what was passed."""
    with pytest.raises(DrmError) as caught:
        ioctl(pipe[0], sync_file.IOCTL_MERGE, name=b"x", fd2=7)
    assert caught.value.errno in (errno.ENOTTY, errno.EINVAL)
    assert caught.value.ioctl == "SYNC_IOC_MERGE"
    assert caught.value.arguments == {"name": b"x", "fd2": 7}


def test_an_unknown_field_is_a_type_error(pipe: tuple[int, int]) -> None:
    """A misspelled field never reaches the kernel."""
    with pytest.raises(TypeError, match="no field"):
        ioctl(pipe[0], FIONREAD, cuont=1)
