# SPDX-License-Identifier: MIT
"""The padded IBs of PACKETS.md 6.2: built from encoders, and walked by decoders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from amdgpu_hw.packets import Codec, Engine, codec_for, pad_ib

A = 0x8_1234_5000
B = 0x8_1234_6000
GFX, COMPUTE, SDMA = Engine.GFX, Engine.COMPUTE, Engine.SDMA

IBS: list[tuple[str, Engine, tuple[int, ...], tuple[int, ...], str, Callable[[Any], list[int]], list[str]]] = [
    (
        "IB-1",
        COMPUTE,
        (9, 4, 3),
        (4, 4, 2),
        "C0033700 00100500 12345000 00000008 DEADBEEF FFFF1000 FFFF1000 FFFF1000",
        lambda pm4: pm4.write_data(A, [0xDEADBEEF]),
        ["WRITE_DATA"],
    ),
    (
        "IB-2",
        GFX,
        (6, 0, 0),
        (2, 0, 0),
        "C0033700 00100100 12345000 00000008 DEADBEEF 80000000 80000000 80000000",
        lambda pm4: pm4.write_data(A, [0xDEADBEEF], dst="memory_sync"),
        ["WRITE_DATA"],
    ),
    (
        "IB-3",
        GFX,
        (10, 3, 0),
        (5, 2, 0),
        "C0053C00 00000013 12345000 00000008 00000001 FFFFFFFF 00000004 FFFF1000",
        lambda pm4: pm4.wait_reg_mem(A, 1),
        ["WAIT_REG_MEM"],
    ),
    (
        "IB-4",
        COMPUTE,
        (8, 0, 0),
        (3, 0, 0),
        "C0053C00 00000413 12345000 00000008 00000001 FFFFFFFF 00000004 FFFF1000",
        lambda pm4: pm4.wait_reg_mem(A, 1),
        ["WAIT_REG_MEM"],
    ),
    (
        "IB-5",
        COMPUTE,
        (9, 4, 3),
        (4, 4, 2),
        "C0053C00 00000013 12345000 00000008 00000001 FFFFFFFF 00000004 "
        "C0033700 00100500 12346000 00000008 00000002 FFFF1000 FFFF1000 FFFF1000 FFFF1000",
        lambda pm4: pm4.wait_reg_mem(A, 1) + pm4.write_data(B, [2]),
        ["WAIT_REG_MEM", "WRITE_DATA"],
    ),
    (
        "IB-6",
        GFX,
        (11, 0, 0),
        (6, 0, 0),
        "C0044000 00110509 00000000 00000000 12345000 00000008 "
        "C0064900 00000528 60000000 12345008 00000008 00000000 00000000 00000000 FFFF1000 FFFF1000",
        lambda pm4: pm4.copy_data_clock(A) + pm4.release_mem_clock(A + 8),
        ["COPY_DATA", "RELEASE_MEM"],
    ),
    (
        "IB-7",
        GFX,
        (10, 3, 0),
        (5, 2, 0),
        "C0055000 E0300000 12345000 00000008 12346000 00000008 00000040 FFFF1000",
        lambda pm4: pm4.dma_data_copy(A, B, 64, through_l2=True),
        ["DMA_DATA"],
    ),
    (
        "IB-8",
        SDMA,
        (10, 3, 0),
        (5, 2, 0),
        "00000002 12345000 00000008 00000000 DEADBEEF 00000000 00000000 00000000",
        lambda sdma: sdma.write(A, [0xDEADBEEF]),
        ["WRITE_LINEAR"],
    ),
    (
        "IB-9",
        SDMA,
        (8, 0, 0),
        (3, 0, 0),
        "00000002 12345000 00000008 00000001 DEADBEEF 00000000 00000000 00000000",
        lambda sdma: sdma.write(A, [0xDEADBEEF]),
        ["WRITE_LINEAR"],
    ),
    (
        "IB-10",
        SDMA,
        (11, 0, 0),
        (6, 0, 0),
        "B0000008 12345000 00000008 00000001 FFFFFFFF 0FFF000A 00000002 12346000 00000008 00000000 00000002 "
        "00000000 00000000 00000000 00000000 00000000",
        lambda sdma: sdma.poll_regmem(A, 1) + sdma.write(B, [2]),
        ["POLL_REGMEM", "WRITE_LINEAR"],
    ),
    (
        "IB-11",
        SDMA,
        (9, 0, 1),
        (4, 0, 0),
        "8000000B 12345000 00000008 DEADBEEF 00000FFF 00000000 00000000 00000000",
        lambda sdma: sdma.fill(A, 0xDEADBEEF, 4096),
        ["CONST_FILL"],
    ),
    (
        "IB-12",
        SDMA,
        (9, 4, 3),
        (4, 4, 2),
        "00000001 0000003F 00000000 12345000 00000008 12346000 00000008 00000000",
        lambda sdma: sdma.copy(A, B, 64),
        ["COPY_LINEAR"],
    ),
    (
        "IB-13",
        SDMA,
        (8, 0, 0),
        (3, 1, 0),
        "00000001 00000040 00000000 12345000 00000008 12346000 00000008 00000000",
        lambda sdma: sdma.copy(A, B, 64),
        ["COPY_LINEAR"],
    ),
    (
        "IB-15",
        GFX,
        (6, 0, 0),
        (2, 0, 0),
        "C0044100 12345000 80000008 12346000 00000008 00000040 80000000 80000000",
        lambda pm4: pm4.dma_data_copy(A, B, 64),
        ["CP_DMA"],
    ),
    (
        "IB-16",
        COMPUTE,
        (12, 0, 1),
        (7, 0, 1),
        "C0055000 80000000 12345000 00000008 12346000 00000008 00000040 FFFF1000",
        lambda pm4: pm4.dma_data_copy(A, B, 64),
        ["DMA_DATA"],
    ),
]


@pytest.mark.parametrize(
    ("engine", "gc", "sdma", "words", "build", "names"), [pytest.param(*ib[1:], id=ib[0]) for ib in IBS]
)
def test_padded_ib_is_built_and_walked(
    engine: Engine,
    gc: tuple[int, ...],
    sdma: tuple[int, ...],
    words: str,
    build: Callable[[Codec], list[int]],
    names: list[str],
) -> None:
    """Encoders and padding give the IB, and the decoder finds its packets followed by nothing but padding."""
    codec = codec_for(engine, gc, sdma)
    golden = [int(word, 16) for word in words.split()]
    assert codec.pad(build(codec)) == golden
    if gc >= (7,):
        assert pad_ib(build(codec), engine) == golden
    found = [packet.name for packet in codec.decode(golden)]
    assert found[: len(names)] == names
    assert set(found[len(names) :]) <= {"NOP"}, codec.disassemble(golden)
