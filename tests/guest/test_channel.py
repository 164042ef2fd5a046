# SPDX-License-Identifier: MIT
"""Frames: whole ones come out however the bytes arrive, and nonsense ends the conversation."""

from __future__ import annotations

import fcntl
import os
import socket

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.channel import LONGEST_FRAME, Frame, FrameReader, pack, ready

FRAMES = [(Frame.ALIVE, b""), (Frame.OUT, b"hello\n"), (Frame.EXIT, b'{"status": 0}'), (Frame.ERR, bytes(range(256)))]


@pytest.mark.parametrize("piece", [1, 3, 7, 1000])
def test_frames_come_out_whole_however_the_bytes_arrive(piece: int) -> None:
    """A port delivers bytes, in pieces of any size."""
    stream = b"".join(pack(*frame) for frame in FRAMES)
    reader = FrameReader()
    taken = [frame for start in range(0, len(stream), piece) for frame in reader.take(stream[start : start + piece])]
    assert taken == FRAMES


@pytest.mark.parametrize(
    "data",
    [b"?\0\0\0\0", b"Kernel panic - not syncing", Frame.OUT.value + b"\xff\xff\xff\xff"],
    ids=["name", "text", "size"],
)
def test_what_is_no_frame_is_refused_in_a_sentence(data: bytes) -> None:
    """A kernel under test can write what it likes into the port."""
    with pytest.raises(HarnessError, match="the guest machine sent"):
        FrameReader().take(data)


def test_nobody_can_pack_more_than_the_other_end_takes() -> None:
    """The longest frame passes, one byte more does not."""
    longest = bytes(LONGEST_FRAME)
    assert FrameReader().take(pack(Frame.OUT, longest)) == [(Frame.OUT, longest)]
    with pytest.raises(ValueError, match="a frame of"):
        pack(Frame.OUT, longest + b"!")


def test_descriptors_may_have_any_number() -> None:
    """A long run of tests has more than the 1023 that select() knows; a pipe can be written until it is full."""
    ours, theirs = os.pipe()
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 1500) for fd in (ours, theirs)]
    try:
        assert ready(high[:1], high[1:], 0) == (set(), {high[1]})
        os.write(theirs, b"x")
        assert ready(high[:1], high[1:], 0) == ({high[0]}, {high[1]})
        assert ready(high[:1]) == ({high[0]}, set())
    finally:
        for fd in (ours, theirs, *high):
            os.close(fd)


def test_one_descriptor_may_be_both_read_and_written() -> None:
    """A terminal is; what has ended can be read, as read() says that it has."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            assert ready([ours.fileno()], [ours.fileno()], 0) == (set(), {ours.fileno()})
            theirs.send(b"x")
            assert ready([ours.fileno()], [ours.fileno()], 0) == ({ours.fileno()}, {ours.fileno()})
        assert ours.fileno() in ready([ours.fileno()], timeout_s=0)[0]
