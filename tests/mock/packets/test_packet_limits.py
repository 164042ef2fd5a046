# SPDX-License-Identifier: MIT
"""What the encoders refuse and split, and how bad words are reported."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amdgpu_hw.packets import (
    Engine,
    PacketError,
    Pm4,
    Sdma,
    atomic_code,
    atomic_operation,
    codec_for,
    pm4_for,
    sdma_for,
)

NAVI31 = (11, 0, 0)


@pytest.fixture
def pm4() -> Pm4:
    """PM4 of Navi31's graphics ring."""
    return pm4_for(NAVI31, Engine.GFX)


@pytest.fixture
def sdma() -> Sdma:
    """SDMA of Navi31."""
    return sdma_for((6, 0, 0))


@pytest.mark.parametrize(
    ("encode", "message"),
    [
        (lambda p: p.write_data(0x10002, [1]), "not aligned to 4"),
        (lambda p: p.write_data(0x10000, []), "size must be positive"),
        (lambda p: p.write_data(0x10000, [1 << 32]), "not a 32-bit word"),
        (lambda p: p.write_data(0x10000, [0] * 0x4000), "2 to 16384"),
        (lambda p: p.write_data(0x8000_0000_0000, [1]), "outside the 48-bit address space"),
        (lambda p: p.write_data(0x7FFF_FFFF_FFFC, [1, 2]), "outside the 48-bit address space"),
        (lambda p: p.wait_reg_mem(0x10000, 1, function="="), "no value '='"),
        (lambda p: p.wait_reg_mem(0x10004, 1, bits=64), "not aligned to 8"),
        (lambda p: p.wait_reg_mem(0x10000, 1 << 32), "reference"),
        (lambda p: p.copy_data(0x10001, 0x20000), "COPY_DATA source"),
        (lambda p: p.copy_data_immediate(1 << 32, 0x20000), "more than 32 bits"),
        (lambda p: p.dma_data_copy(0x10000, 0x20000, 0), "size must be positive"),
        (lambda p: p.dma_data_fill(0x10000, 0, 6), "not aligned to 4"),
        (lambda p: p.release_mem(0x10000, 1 << 32), "more than 32 bits"),
        (lambda p: p.indirect_buffer(0x10000, 1 << 20), "size"),
        (lambda p: p.atomic_mem("mul", 0x10000, 1), "no atomic operation"),
        (lambda p: p.packet("WRITE_DATA", [1], atc=1), "no field atc"),
        (lambda p: p.packet("CP_DMA"), "has no CP_DMA packet"),
    ],
)
def test_pm4_refuses_with_one_sentence(pm4: Pm4, encode: Callable[[Pm4], list[int]], message: str) -> None:
    """A value that the packet cannot carry is a ValueError that names it."""
    with pytest.raises(ValueError, match=message):
        encode(pm4)


@pytest.mark.parametrize(
    ("encode", "message"),
    [
        (lambda s: s.write(0x10002, [1]), "not aligned to 4"),
        (lambda s: s.write(0x10000, []), "size must be positive"),
        (lambda s: s.copy(0x10000, 0xFFFF_8000_0000_0000 - 1, 16), "outside the 48-bit address space"),
        (lambda s: s.fill(0x10000, 0, 3), "not aligned to 4"),
        (lambda s: s.fill_bytes(0x10000, 256, 3), "byte fill"),
        (lambda s: s.fence(0x10001, 0), "not aligned to 4"),
        (lambda s: s.poll_regmem(0x10000, 1, retries=0xFFF), "0 to 4094"),
        (lambda s: s.poll_regmem(0x10000, 1, interval=1 << 16), "interval"),
        (lambda s: s.timestamp(0x10004), "not aligned to 8"),
        (lambda s: s.indirect(0x10010, 8), "not aligned to 32"),
        (lambda s: s.packet("COPY_LINEAR", byte_count=(1 << 30) + 1, src=0, dst=0), "byte_count"),
    ],
)
def test_sdma_refuses_with_one_sentence(sdma: Sdma, encode: Callable[[Sdma], list[int]], message: str) -> None:
    """A value that the packet cannot carry is a ValueError that names it."""
    with pytest.raises(ValueError, match=message):
        encode(sdma)


def test_addresses_of_the_high_half_are_encodable(pm4: Pm4, sdma: Sdma) -> None:
    """RADV's addresses start at 0xffff800000000000."""
    va = 0xFFFF_8000_0010_0000
    assert pm4.decode(pm4.write_data(va, [1]))[0].fields["addr"] == va
    assert sdma.decode(sdma.write(va, [1]))[0].fields["dst"] == va


@pytest.mark.parametrize(("gc", "packets"), [((10, 3, 0), 1), ((11, 0, 0), 33)])
def test_long_cp_dma_is_split_where_the_generation_needs_it(gc: tuple[int, ...], packets: int) -> None:
    """GFX11 moves less than 32 KiB per packet (PACKETS.md section 0 item 19); the pieces cover the range once."""
    pm4 = pm4_for(gc, Engine.GFX)
    size = 1 << 20
    decoded = pm4.decode(pm4.dma_data_copy(0x100000, 0x900000, size))
    assert len(decoded) == packets
    at = 0
    for packet in decoded:
        assert packet.fields["src"] == 0x100000 + at
        assert packet.fields["dst"] == 0x900000 + at
        at += packet.fields["byte_count"]
    assert at == size


def test_long_sdma_work_is_split(sdma: Sdma) -> None:
    """A copy and a write longer than one packet become several that cover the range once."""
    copies = sdma.decode(sdma.copy(0x1000000, 0x9000000, (9 << 20) + 5))
    assert [packet.fields["byte_count"] for packet in copies] == [4 << 20, 4 << 20, (1 << 20) + 5]
    assert [packet.fields["dst"] for packet in copies] == [0x9000000, 0x9400000, 0x9800000]
    writes = sdma.decode(sdma.write(0x1000000, [7] * (sdma.max_write_dwords + 3)))
    assert [packet.fields["count"] for packet in writes] == [sdma.max_write_dwords, 3]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([0x00000000], "type-0"),
        ([0x40000000], "type-1"),
        ([0xC0007700 | 0xFF00], "unknown"),
        ([0xC0033700, 0x00100500], "runs past the end, 2 are left"),
        ([0xC0003700, 0x00100500], "WRITE_DATA of 2 dwords"),
        ([0xC0063C00, *[0] * 7], "WAIT_REG_MEM of 8 dwords"),
    ],
)
def test_bad_pm4_words_are_a_packet_error(pm4: Pm4, words: list[int], message: str) -> None:
    """The error says at which dword and why; the disassembler shows the same instead of failing."""
    with pytest.raises(PacketError, match=message):
        pm4.decode([*pm4.nop(), *words])
    assert message in pm4.disassemble([*pm4.nop(), *words])


def test_bad_sdma_words_are_a_packet_error(sdma: Sdma) -> None:
    """Unknown opcodes and cut packets are reported."""
    with pytest.raises(PacketError, match="unknown"):
        sdma.decode([0x77])
    with pytest.raises(PacketError, match="runs past the end"):
        sdma.decode(sdma.write(0x10000, [1, 2])[:-1])


def test_release_mem_of_seven_dwords_is_accepted_on_gfx9(pm4: Pm4) -> None:
    """The size comes from the header, not from the generation (PACKETS.md section 8)."""
    words = pm4.release_mem(0x10000, 5)[:-1]
    words[0] -= 1 << 16
    assert pm4.decode(words)[0].fields["data"] == 5


def test_engines_have_the_packets_of_their_processor() -> None:
    """MEC has no PFP_SYNC_ME; GFX6 compute rings run on the ME and have it."""
    assert "PFP_SYNC_ME" in pm4_for((10, 3, 0), Engine.GFX).names
    assert "PFP_SYNC_ME" not in pm4_for((10, 3, 0), Engine.COMPUTE).names
    assert "PFP_SYNC_ME" in pm4_for((6, 0, 0), Engine.COMPUTE).names


def test_disassembly_names_packets_and_values(pm4: Pm4) -> None:
    """One line per packet, with the tables' names for values."""
    text = pm4.disassemble(pm4.wait_reg_mem(0x812345000, 1) + pm4.write_data(0x1000, [0xAB]))
    assert "WAIT_REG_MEM function=== space=memory" in text
    assert "addr=0x812345000" in text
    assert "dst_sel=memory" in text
    assert "data=[000000ab]" in text


@given(st.integers(0, 127))
def test_atomic_codes_round_trip(code: int) -> None:
    """Every 7-bit code is either unknown or the code of what it decodes to."""
    operation = atomic_operation(code)
    if operation is not None:
        assert atomic_code(*operation) == code


@given(
    engine=st.sampled_from(list(Engine)),
    gc=st.sampled_from([(6, 0, 0), (7, 0, 0), (8, 0, 0), (9, 4, 3), (10, 3, 0), (11, 0, 0), (12, 0, 1)]),
    sdma=st.sampled_from(
        [(2, 0, 0), (2, 4, 0), (3, 0, 0), (4, 4, 2), (5, 0, 0), (5, 2, 0), (6, 0, 0), (7, 0, 0), (7, 1, 0)]
    ),
    words=st.lists(st.integers(0, 0xFFFF_FFFF), max_size=20),
    opcode=st.integers(0, 255),
)
def test_decoders_survive_any_words(
    engine: Engine, gc: tuple[int, ...], sdma: tuple[int, ...], words: list[int], opcode: int
) -> None:
    """Whatever the words are, the decoder gives packets that cover them or a PacketError, and text."""
    codec = codec_for(engine, gc, sdma)
    head = opcode if engine is Engine.SDMA else 3 << 30 | max(0, len(words) - 1) << 16 | opcode << 8
    ib = [head, *words]
    try:
        packets = codec.decode(ib)
    except PacketError:
        pass
    else:
        assert [word for packet in packets for word in packet.dwords] == ib
    assert codec.disassemble(ib)


def test_no_two_fields_of_a_packet_overlap() -> None:
    """On every generation each bit of a packet means one thing."""
    codecs = [
        codec_for(engine, gc, (2, 4, 0))
        for engine in (Engine.GFX, Engine.COMPUTE)
        for gc in [
            (6, 0, 0),
            (7, 0, 0),
            (8, 0, 0),
            (9, 0, 1),
            (9, 4, 3),
            (10, 1, 10),
            (10, 3, 0),
            (11, 0, 0),
            (12, 0, 1),
        ]
    ]
    codecs += [
        codec_for(Engine.SDMA, (9,), version)
        for version in [
            (2, 0, 0),
            (2, 4, 0),
            (3, 0, 0),
            (4, 0, 0),
            (4, 4, 2),
            (5, 0, 0),
            (5, 2, 0),
            (6, 0, 0),
            (7, 0, 0),
            (7, 1, 0),
        ]
    ]
    for codec in codecs:
        for name in codec.names:
            layout = codec.layout(name)
            used: dict[int, str] = {}
            for field in layout.fields:
                for bit in range(
                    field.dword * 32 + (0 if field.address else field.low), field.dword * 32 + field.high + 1
                ):
                    assert bit not in used, f"{codec.version} {name}: {field.name} and {used[bit]} share bit {bit}"
                    used[bit] = field.name
            assert max(used, default=0) < layout.size * 32, f"{codec.version} {name} has fields beyond its size"
