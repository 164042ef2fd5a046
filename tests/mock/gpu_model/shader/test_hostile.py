# SPDX-License-Identifier: MIT
"""Shaders that nobody would write: the ring stops or the job ends, and nothing else happens to the mock machine."""

from __future__ import annotations

import random

import pytest

from amdgpu_hw.gpu_model.ring import RingActivity
from amdgpu_hw.gpu_model.shader.encodings import SDWA, encodings_of
from amdgpu_hw.gpu_model.shader.isa import instruction_names
from amdgpu_hw.packets import Engine
from tests.mock.gpu_model.gpu_rig import DATA_VA, HOLE_VA
from tests.mock.gpu_model.shader.bench import ShaderRig

SHADERS = 200
LENGTH = 3
END = [0xBF810000] * 4
"""s_endpgm; from GFX11 on refused. More than once, as an instruction in front of it may take it for a constant."""
SDWA_SHARE = 0.3
"""Of the instructions that can have it: seldom would a random operand say so."""


def draw(rng: random.Random, version: tuple[int, ...]) -> list[int]:
    """Instructions of the tables with operands that may be anything; no branches, which would only take time."""
    encodings = [one for one in encodings_of(version) if one.name in instruction_names(version) and one.name != "SOPP"]
    code: list[int] = []
    for _ in range(LENGTH):
        encoding = rng.choice(encodings)
        words = [rng.getrandbits(32) for _ in range(encoding.dwords)]
        words[0] = encoding.value | words[0] & ~encoding.mask & 0xFFFF_FFFF
        (opcode,) = (field for field in encoding.fields if field.name == "op")
        words[0] &= ~(((1 << opcode.width) - 1) << opcode.low)
        words[0] |= rng.choice(list(instruction_names(version)[encoding.name])) << opcode.low
        if encoding.name in ("VOP1", "VOP2") and rng.random() < SDWA_SHARE:
            words = [words[0] & ~0x1FF | SDWA, rng.getrandbits(32)]
        code += words
    return code


@pytest.mark.parametrize("name", ["polaris10", "vega10", "mi300x", "navi10", "navi21", "navi31", "navi48"])
def test_drawn_shaders_stop_or_end(name: str) -> None:
    """Whatever their operands name, wherever they read and write."""
    rng = random.Random(name)
    rig = ShaderRig(name)
    ring = rig.ring(Engine.COMPUTE)
    addresses = [half for va in (DATA_VA, HOLE_VA, DATA_VA, DATA_VA) for half in (va & 0xFFFF_FFFF, va >> 32)]
    for _ in range(SHADERS):
        done = rig.dispatch([*draw(rng, rig.gpu.gc_version), *END], addresses, threads=(40, 1, 1))
        if ring.state is RingActivity.HUNG:
            assert ring.abort_current(-62)
            rig.run()
        assert done in ([0], [-62])
    rig.close()


def test_random_dwords_stop_or_end() -> None:
    """Most are refused at once."""
    rng = random.Random(1)
    rig = ShaderRig()
    for _ in range(SHADERS):
        done = rig.dispatch([rng.getrandbits(32) for _ in range(64)], [0, 0], threads=(1, 1, 1))
        if not done:
            assert rig.ring(Engine.COMPUTE).abort_current(-62)
            rig.run()
    rig.close()
