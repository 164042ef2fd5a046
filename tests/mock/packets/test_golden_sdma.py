# SPDX-License-Identifier: MIT
"""SDMA against the golden vectors of PACKETS.md 6.1, in both directions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amdgpu_hw.packets import Sdma, sdma_for

A = 0x8_1234_5000
B = 0x8_1234_6000

CIK, V2_4, V3_0, V3_1 = (2, 0, 0), (2, 4, 0), (3, 0, 0), (3, 1, 0)
V4_0, V4_4, V4_4_2 = (4, 0, 0), (4, 4, 0), (4, 4, 2)
V5_0, V5_2, V6_0, V7_0, V7_1 = (5, 0, 0), (5, 2, 0), (6, 0, 0), (7, 0, 0), (7, 1, 0)

OLD = (CIK, V2_4, V3_0, V3_1)
NEW = (V4_0, V4_4, V4_4_2, V5_0, V5_2, V6_0, V7_0, V7_1)
EVERY = (*OLD, *NEW)
NOT_CIK = EVERY[1:]

Vector = tuple[str, str, Callable[[Sdma], list[int]], str, dict[str, int], tuple[tuple[int, ...], ...]]

VECTORS: list[Vector] = [
    (
        "sdma.write1 counting N",
        "00000002 12345000 00000008 00000001 DEADBEEF",
        lambda sdma: sdma.write(A, [0xDEADBEEF]),
        "WRITE_LINEAR",
        {"dst": A, "count": 1},
        OLD,
    ),
    (
        "sdma.write1 counting N-1",
        "00000002 12345000 00000008 00000000 DEADBEEF",
        lambda sdma: sdma.write(A, [0xDEADBEEF]),
        "WRITE_LINEAR",
        {"dst": A, "count": 1},
        NEW,
    ),
    (
        "sdma.write2 counting N",
        "00000002 12345000 00000008 00000002 11111111 22222222",
        lambda sdma: sdma.write(A, [0x11111111, 0x22222222]),
        "WRITE_LINEAR",
        {"dst": A, "count": 2},
        OLD,
    ),
    (
        "sdma.write2 counting N-1",
        "00000002 12345000 00000008 00000001 11111111 22222222",
        lambda sdma: sdma.write(A, [0x11111111, 0x22222222]),
        "WRITE_LINEAR",
        {"dst": A, "count": 2},
        NEW,
    ),
    (
        "sdma.copy counting N",
        "00000001 00001000 00000000 12345000 00000008 12346000 00000008",
        lambda sdma: sdma.copy(A, B, 4096),
        "COPY_LINEAR",
        {"byte_count": 4096, "src": A, "dst": B},
        OLD,
    ),
    (
        "sdma.copy counting N-1",
        "00000001 00000FFF 00000000 12345000 00000008 12346000 00000008",
        lambda sdma: sdma.copy(A, B, 4096),
        "COPY_LINEAR",
        {"byte_count": 4096, "src": A, "dst": B},
        NEW,
    ),
    (
        "sdma.fill.dw counting N",
        "8000000B 12345000 00000008 DEADBEEF 00001000",
        lambda sdma: sdma.fill(A, 0xDEADBEEF, 4096),
        "CONST_FILL",
        {"fill_size": 2, "dst": A, "data": 0xDEADBEEF, "byte_count": 4096},
        OLD,
    ),
    (
        "sdma.fill.dw counting N-1",
        "8000000B 12345000 00000008 DEADBEEF 00000FFF",
        lambda sdma: sdma.fill(A, 0xDEADBEEF, 4096),
        "CONST_FILL",
        {"fill_size": 2, "dst": A, "data": 0xDEADBEEF, "byte_count": 4096},
        NEW,
    ),
    (
        "sdma.fill.byte counting N",
        "0000000B 12345000 00000008 000000A5 00001000",
        lambda sdma: sdma.fill_bytes(A, 0xA5, 4096),
        "CONST_FILL",
        {"fill_size": 0, "dst": A, "data": 0xA5, "byte_count": 4096},
        OLD,
    ),
    (
        "sdma.fill.byte counting N-1",
        "0000000B 12345000 00000008 000000A5 00000FFF",
        lambda sdma: sdma.fill_bytes(A, 0xA5, 4096),
        "CONST_FILL",
        {"fill_size": 0, "dst": A, "data": 0xA5, "byte_count": 4096},
        NEW,
    ),
    (
        "sdma.fence",
        "00000005 12345000 00000008 DEADBEEF",
        lambda sdma: sdma.fence(A, 0xDEADBEEF),
        "FENCE",
        {"addr": A, "data": 0xDEADBEEF},
        EVERY,
    ),
    (
        "sdma50+.fence.uc",
        "00030005 12345000 00000008 DEADBEEF",
        lambda sdma: sdma.packet("FENCE", mtype=3, addr=A, data=0xDEADBEEF),
        "FENCE",
        {"mtype": 3, "addr": A, "data": 0xDEADBEEF},
        (V5_0, V5_2, V6_0, V7_0, V7_1),
    ),
    (
        "sdma.poll.eq1",
        "B0000008 12345000 00000008 00000001 FFFFFFFF 0FFF000A",
        lambda sdma: sdma.poll_regmem(A, 1),
        "POLL_REGMEM",
        {"function": 3, "mem_poll": 1, "addr": A, "reference": 1, "interval": 10, "retry_count": 0xFFF},
        EVERY,
    ),
    (
        "sdma.poll.eq1.bounded",
        "B0000008 12345000 00000008 00000001 FFFFFFFF 0010000A",
        lambda sdma: sdma.poll_regmem(A, 1, retries=16),
        "POLL_REGMEM",
        {"function": 3, "mask": 0xFFFFFFFF, "retry_count": 16},
        EVERY,
    ),
    (
        "sdma.timestamp",
        "0000020D 12345000 00000008",
        lambda sdma: sdma.timestamp(A),
        "TIMESTAMP_GLOBAL",
        {"addr": A},
        EVERY,
    ),
    ("sdma.trap", "00000006 00000000", lambda sdma: sdma.trap(), "TRAP", {"int_context": 0}, NOT_CIK),
    ("sdma.trap of CIK", "00000006", lambda sdma: sdma.trap(), "TRAP", {}, (CIK,)),
    (
        "sdma.atomic.add64",
        "5E00000A 12345000 00000008 00000001 00000000 00000000 00000000 00000000",
        lambda sdma: sdma.atomic("add", A, 1, bits=64),
        "ATOMIC",
        {"atomic": 47, "addr": A, "source": 1, "loop": 0},
        EVERY[2:],
    ),
    (
        "sdma.nop4",
        "00030000 00000000 00000000 00000000",
        lambda sdma: sdma.nop(4),
        "NOP",
        {"count": 3},
        EVERY,
    ),
    (
        "sdma.indirect",
        "00030004 12345000 00000008 00000008 00000000 00000000",
        lambda sdma: sdma.indirect(A, 8, vmid=3),
        "INDIRECT",
        {"vmid": 3, "addr": A, "size": 8},
        NOT_CIK,
    ),
    (
        "sdma.indirect of CIK",
        "00030004 12345000 00000008 00000008",
        lambda sdma: sdma.indirect(A, 8, vmid=3),
        "INDIRECT",
        {"vmid": 3, "addr": A, "size": 8},
        (CIK,),
    ),
    (
        "sdma.condexe",
        "00000009 12345000 00000008 00000001 00000005",
        lambda sdma: sdma.cond_exe(A, 1, 5),
        "COND_EXE",
        {"addr": A, "reference": 1, "exec_count": 5},
        NOT_CIK,
    ),
    (
        "sdma.condexe of CIK",
        "00000009 12345000 00000008 00000005",
        lambda sdma: sdma.cond_exe(A, 1, 5),
        "COND_EXE",
        {"addr": A, "exec_count": 5},
        (CIK,),
    ),
    (
        "sdma70.copy.dcc",
        "00080001 00000FFF 00000000 12345000 00000008 12346000 00000008 00000000",
        lambda sdma: sdma.packet("COPY_LINEAR_DCC", byte_count=4096, src=A, dst=B),
        "COPY_LINEAR_DCC",
        {"byte_count": 4096, "src": A, "dst": B},
        (V7_0, (7, 0, 1)),
    ),
]

CASES = [
    pytest.param(words, encode, name, fields, version, id=f"{ident}-sdma{'.'.join(map(str, version))}")
    for ident, words, encode, name, fields, versions in VECTORS
    for version in versions
]


@pytest.mark.parametrize(("words", "encode", "name", "fields", "version"), CASES)
def test_encoder_gives_the_golden_words_and_decoder_reads_them_back(
    words: str, encode: Callable[[Sdma], list[int]], name: str, fields: dict[str, int], version: tuple[int, ...]
) -> None:
    """Every SDMA vector is what the encoder makes, and decodes to the fields it was made from."""
    sdma = sdma_for(version)
    golden = [int(word, 16) for word in words.split()]
    made = encode(sdma)
    assert made == golden, f"encoded {' '.join(f'{word:08X}' for word in made)}"
    packet = sdma.decode_at(golden)
    assert packet.name == name
    assert packet.dwords == tuple(golden)
    seen = {field: packet.fields[field] for field in fields}
    assert seen == fields, sdma.disassemble(golden)
    assert sdma.packet(name, packet.payload, **packet.fields) == golden, "fields do not encode to the words again"


@pytest.mark.parametrize(("version", "size"), [(V6_0, 7), (V7_0, 8), (V7_1, 7)])
def test_header_bit_19_makes_copy_longer_on_7_0_only(version: tuple[int, ...], size: int) -> None:
    """SDMA 7.0 takes an eighth dword when DCC is set; elsewhere the bit is a cache flag (PACKETS.md section 0)."""
    words = [0x00080001, 0xFFF, 0, 0, 8, 0, 9, 0, 0]
    assert len(sdma_for(version).decode_at(words).dwords) == size


def test_broadcast_copy_has_two_destinations_up_to_6() -> None:
    """Header bit 27 adds a second destination, 9 dwords."""
    sdma = sdma_for(V5_2)
    words = sdma.packet("COPY_BROADCAST", byte_count=64, src=A, dst=B, dst2=B + 0x1000)
    assert len(words) == 9
    assert words[0] == 0x08000001
    assert sdma.decode_at(words).fields["dst2"] == B + 0x1000
