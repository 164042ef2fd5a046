# SPDX-License-Identifier: MIT
"""Frames of the scheduler of GFX11."""

from __future__ import annotations

import pytest

from amdgpu_hw.packets import Mes, PacketError, TruncatedPacket

MES = Mes((11, 0, 0))


@pytest.mark.parametrize("name", MES.names)
def test_a_frame_is_decoded_as_it_was_encoded(name: str) -> None:
    """64 dwords each, and every field where it was put."""
    fields = {field: number + 1 for number, field in enumerate(MES.layout(name).by_name)}
    fields = {field: value & MES.layout(name).by_name[field].maximum for field, value in fields.items()}
    frame = MES.packet(name, **fields)
    assert len(frame) == 64
    packet = MES.decode_at([0, *frame], 1)
    assert (packet.name, packet.fields, packet.dwords) == (name, fields, tuple(frame))


def test_a_frame_has_the_drivers_header() -> None:
    """MES_API_HEADER: type 1, opcode from bit 4, size from bit 12; MISC of mes_v11_0_misc_op is 14."""
    assert MES.packet("MISC", what="READ_REG")[:2] == [1 | 14 << 4 | 64 << 12, 3]


def test_the_fence_is_where_each_frame_has_it() -> None:
    """offsetof(api_status) differs: 20 bytes in REMOVE_QUEUE, 148 in ADD_QUEUE."""
    assert MES.packet("REMOVE_QUEUE", fence=0x1_0000_0002)[5:7] == [2, 1]
    assert MES.packet("ADD_QUEUE", fence=0x1_0000_0002)[37:39] == [2, 1]


@pytest.mark.parametrize("header", [0x0004_0002, 0x0003_F0E1, 0x0004_0FF1, 0xFFFF_FFFF])
def test_other_headers_are_no_frames(header: int) -> None:
    """Another type, size or opcode."""
    with pytest.raises(PacketError, match="begins no frame"):
        MES.decode_at([header, *[0] * 63])


def test_a_cut_frame_says_how_long_it_is() -> None:
    """So that its ring can be read on."""
    with pytest.raises(TruncatedPacket) as caught:
        MES.decode_at(MES.packet("RESET")[:10])
    assert caught.value.size == 64


def test_no_operations_are_single_zeros() -> None:
    """`nop` of mes_v11_0_ring_funcs."""
    assert MES.pad(MES.packet("RESUME")[:63], 64)[63] == MES.filler == 0
