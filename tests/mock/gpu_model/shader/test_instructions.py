# SPDX-License-Identifier: MIT
"""What instructions do, and which are refused."""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu_model.faults import StopCause
from amdgpu_hw.gpu_model.ring import RingActivity
from amdgpu_hw.gpu_model.shader.decoder import Instruction, decoder_for
from amdgpu_hw.gpu_model.shader.encodings import encodings_of
from amdgpu_hw.gpu_model.shader.isa import GENERATIONS, instruction_names
from amdgpu_hw.gpu_model.shader.program import MEANINGS
from amdgpu_hw.gpu_model.shader.wave import EXEC, VCC, Wave
from amdgpu_hw.gpu_model.vm_access import VmAccess
from amdgpu_hw.packets import Engine
from amdgpu_hw.packets.compute import machine_code
from tests.mock.gpu_model.gpu_rig import DATA_VA, HOLE_VA, UNMAPPED_VA
from tests.mock.gpu_model.shader.bench import ShaderRig
from tests.mock.gpu_model.shader.samples import sample
from tests.mock.gpu_model.shader.shaders import SHADERS

ONES = 0xFFFF_FFFF
MINUS_2 = 0xFFFF_FFFE
TARGET = 0x10_0000
"""Where shaders write, from the data area's beginning."""


def dwords_of(*addresses: int) -> list[int]:
    """Addresses as user data."""
    return [half for va in addresses for half in (va & 0xFFFF_FFFF, va >> 32)]


@pytest.fixture
def rig() -> ShaderRig:
    """A Navi21."""
    return ShaderRig()


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_instruction_of_the_tables_means_something(generation: str) -> None:
    """What is decoded can be executed."""
    version = GENERATIONS[generation]
    encodings = {encoding.name: encoding for encoding in encodings_of(version)}
    for group, names in instruction_names(version).items():
        for opcode, name in names.items():
            code = sample(encodings[group], opcode, name, version)
            instruction = decoder_for(version).decode(
                lambda index, code=code: int.from_bytes(code[4 * index : 4 * index + 4], "little")  # type: ignore[misc]
            )
            assert callable(MEANINGS[group](instruction)), name


# -- arithmetic -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wave() -> Wave:
    """One of four lanes, the last one not active, that touches no memory."""
    rig = ShaderRig()
    vm = VmAccess(rig.ring(), rig.table, 1)
    return Wave(vm, 32, 3, 0)


SCALAR = [
    # name, sources, result, SCC (None: stays)
    ("s_add_u32", (ONES, 2), 1, 1), ("s_add_u32", (1, 2), 3, 0), ("s_sub_u32", (1, 2), ONES, 1),
    ("s_add_i32", (0x7FFF_FFFF, 1), 0x8000_0000, 1), ("s_sub_i32", (5, 7), MINUS_2, 0),
    ("s_addc_u32", (1, 2), 4, 0), ("s_subb_u32", (5, 2), 2, 0), ("s_min_i32", (MINUS_2, 1), MINUS_2, 1),
    ("s_min_u32", (MINUS_2, 1), 1, 0), ("s_max_i32", (MINUS_2, 1), 1, 0), ("s_max_u32", (MINUS_2, 1), MINUS_2, 1),
    ("s_cselect_b32", (5, 6), 5, None), ("s_and_b32", (6, 3), 2, 1), ("s_or_b32", (0, 0), 0, 0),
    ("s_xor_b32", (6, 3), 5, 1), ("s_andn2_b32", (7, 2), 5, 1), ("s_orn2_b32", (0, MINUS_2), 1, 1),
    ("s_lshl_b32", (3, 33), 6, 1), ("s_lshr_b32", (8, 2), 2, 1), ("s_ashr_i32", (MINUS_2, 1), ONES, 1),
    ("s_bfm_b32", (3, 4), 0x70, None), ("s_mul_i32", (ONES, 3), 0xFFFF_FFFD, None),
    ("s_mul_hi_u32", (ONES, 3), 2, None), ("s_bfe_u32", (0xABCD, 8 << 16 | 4), 0xBC, 1),
    ("s_bfe_i32", (0xABCD, 8 << 16 | 4), 0xFFFF_FFBC, 1), ("s_lshl2_add_u32", (3, 1), 13, 0),
    ("s_lshl4_add_u32", (ONES, 0), 0xFFFF_FFF0, 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sources", "result", "scc"), SCALAR)
def test_scalar_arithmetic(wave: Wave, name: str, sources: tuple[int, int], result: int, scc: int | None) -> None:
    """SCC was 1."""
    wave.scalars[:2] = sources
    wave.scc = 1
    MEANINGS["SOP2"](_instruction(name, "SOP2", {"ssrc0": 0, "ssrc1": 1, "sdst": 4}))(wave)
    assert (wave.scalars[4], wave.scc) == (result, 1 if scc is None else scc)


def test_scalar_arithmetic_of_64_bits(wave: Wave) -> None:
    """In pairs of registers; constants are extended by their sign."""
    wave.scalars[:4] = [0xF0F0_0000, 0x0F0F_FFFF, 36, 0]
    for name, second, result in (
        ("s_and_b64", 193, 0x0F0F_FFFF_F0F0_0000),
        ("s_xor_b64", 193, 0xF0F0_0000_0F0F_FFFF),
        ("s_lshr_b64", 2, 0x0F0_FFFF),
        ("s_lshl_b64", 2, 0x0F00_0000 << 32 | 0),
    ):
        MEANINGS["SOP2"](_instruction(name, "SOP2", {"ssrc0": 0, "ssrc1": second, "sdst": 4}))(wave)
        assert wave.scalars[4] | wave.scalars[5] << 32 == result & (1 << 64) - 1, name


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize(
    ("operation", "low", "rest"),
    [
        ("and", 0b0101, 0), ("or", 0b1111, 0), ("xor", 0b1010, 0), ("andn1", 0b0010, 0), ("andn2", 0b1000, 0),
        ("orn1", 0b0111, 1), ("orn2", 0b1101, 1), ("nand", 0b1010, 1), ("nor", 0b0000, 1), ("xnor", 0b0101, 1),
    ],
)  # fmt: skip
def test_branches_save_which_lanes_are_active(wave: Wave, operation: str, low: int, rest: int, bits: int) -> None:
    """EXEC was 0b0111 and the source is 0b1101; ``rest`` is what becomes of all bits above. SCC: any lane is left."""
    wave.scalars[:2] = [0b1101, 0]
    wave.write_scalar(EXEC, 0b0111, bits)
    MEANINGS["SOP1"](_instruction(f"s_{operation}_saveexec_b{bits}", "SOP1", {"ssrc0": 0, "sdst": 4}))(wave)
    new = wave.scalars[EXEC] | (wave.scalars[EXEC + 1] << 32 if bits == 64 else 0)
    assert new == ((1 << bits) - 16 if rest else 0) | low
    assert (wave.scalars[4], wave.scc) == (0b0111, 1)
    wave.write_scalar(EXEC, 0b0111, 64)


@pytest.mark.parametrize(
    ("name", "sources", "holds"),
    [
        ("s_cmp_eq_u32", (1, 1), True), ("s_cmp_lg_i32", (1, 1), False), ("s_cmp_gt_i32", (1, ONES), True),
        ("s_cmp_gt_u32", (1, ONES), False), ("s_cmp_ge_u32", (2, 2), True), ("s_cmp_lt_i32", (MINUS_2, 0), True),
        ("s_cmp_le_u32", (MINUS_2, 0), False), ("s_bitcmp1_b32", (4, 2), True), ("s_bitcmp0_b32", (4, 34), False),
    ],
)  # fmt: skip
def test_scalar_comparisons(wave: Wave, name: str, sources: tuple[int, int], holds: bool) -> None:
    """Into SCC."""
    wave.scalars[:2] = sources
    wave.scc = int(not holds)
    MEANINGS["SOPC"](_instruction(name, "SOPC", {"ssrc0": 0, "ssrc1": 1}))(wave)
    assert wave.scc == holds


VECTOR = [
    # name, sources, result
    ("v_add_u32", (ONES, 2), 1), ("v_sub_u32", (1, 2), ONES), ("v_subrev_u32", (1, 2), 1),
    ("v_min_i32", (MINUS_2, 1), MINUS_2), ("v_min_u32", (MINUS_2, 1), 1), ("v_max_i32", (MINUS_2, 1), 1),
    ("v_max_u32", (MINUS_2, 1), MINUS_2), ("v_lshlrev_b32", (33, 3), 6), ("v_lshrrev_b32", (2, 8), 2),
    ("v_ashrrev_i32", (1, MINUS_2), ONES), ("v_and_b32", (6, 3), 2), ("v_or_b32", (6, 3), 7), ("v_xor_b32", (6, 3), 5),
    ("v_mul_u32_u24", (0x100_0003, 5), 15), ("v_mul_i32_i24", (0xFF_FFFF, 5), 0xFFFF_FFFB),
    ("v_mad_u32_u24", (0x100_0003, 5, 2), 17), ("v_bfe_u32", (0xABCD, 4, 8), 0xBC),
    ("v_bfe_i32", (0xABCD, 4, 8), 0xFFFF_FFBC), ("v_bfi_b32", (0xF0, 0xAB, 0xCD), 0xAD),
    ("v_alignbit_b32", (1, 0x10, 4), 0x1000_0001), ("v_alignbyte_b32", (0x11, 0x2233_4455, 1), 0x1122_3344),
    ("v_perm_b32", (0x7766_5544, 0x3322_8800, 0x0C_07_09_01), 0x0077_0088), ("v_mul_lo_u32", (ONES, 3), 0xFFFF_FFFD),
    ("v_mul_hi_u32", (ONES, 3), 2), ("v_lshl_add_u32", (3, 2, 1), 13), ("v_add_lshl_u32", (3, 2, 1), 10),
    ("v_lshl_or_b32", (3, 2, 1), 13), ("v_and_or_b32", (6, 3, 8), 10), ("v_or3_b32", (1, 2, 4), 7),
    ("v_add3_u32", (ONES, 2, 4), 5), ("v_xad_u32", (6, 3, 1), 6),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sources", "result"), VECTOR)
def test_vector_arithmetic(wave: Wave, name: str, sources: tuple[int, ...], result: int) -> None:
    """Once for all lanes and once for each; a lane that is not active keeps what it has."""
    two = name in instruction_names((10, 3))["VOP2"].values()
    group = "VOP2" if two else "VOP3"
    fields = {"vdst": 8, "sdst": 0, "clamp": 0, "omod": 0, "neg": 0}
    for index, value in enumerate(sources):
        wave.scalars[index] = value
        wave._vectors[index] = [value] * 32
    wave._vectors[8] = [77] * 32
    named = ("src0", "src1", "src2")
    for first in (0, 256):
        sources_at = {field: first + index for index, field in enumerate(named[: len(sources)])}
        MEANINGS[group](_instruction(name, group, fields | sources_at, encoding="VOP3"))(wave)
        assert wave.vector(8) == [result] * 3 + [77] * 29


def test_carries_go_from_mask_to_mask(wave: Wave) -> None:
    """An address of 64 bits is added up in two steps."""
    wave._vectors[0] = [ONES, 5, ONES, ONES, *[0] * 28]
    wave._vectors[1] = [1] * 32
    wave.write_mask(VCC, 0)
    low = _instruction("v_add_co_u32", "VOP2", {"vdst": 2, "src0": 129, "vsrc1": 0})
    high = _instruction("v_addc_co_u32", "VOP2", {"vdst": 3, "src0": 128, "vsrc1": 1})
    MEANINGS["VOP2"](low)(wave)
    assert wave.read_mask(VCC) == 0b101
    MEANINGS["VOP2"](high)(wave)
    assert [wave.vector(2)[:3], wave.vector(3)[:3]] == [[0, 6, 0], [2, 1, 2]]
    assert wave.read_mask(VCC) == 0
    select = _instruction("v_cndmask_b32", "VOP2", {"vdst": 4, "src0": 128, "vsrc1": 1})
    wave.write_mask(VCC, 0b010)
    MEANINGS["VOP2"](select)(wave)
    assert wave.vector(4)[:3] == [0, 1, 0]


def test_comparisons_write_masks(wave: Wave) -> None:
    """Of active lanes alone; from GFX10 on those of EXEC nothing else."""
    wave._vectors[0] = [*range(32)]
    wave.write_mask(VCC, ONES)
    less = _instruction("v_cmp_gt_u32", "VOPC", {"src0": 130, "vsrc1": 0})
    MEANINGS["VOPC"](less)(wave)
    assert wave.read_mask(VCC) == 0b011
    narrowed = _instruction("v_cmpx_eq_u32", "VOPC", {"src0": 129, "vsrc1": 0})
    MEANINGS["VOPC"](narrowed)(wave)
    assert (wave.read_mask(VCC), wave.read_mask(EXEC), wave.lanes) == (0b011, 0b010, [1])
    wave.write_mask(EXEC, 0b111)


def _instruction(name: str, group: str, fields: dict[str, int], encoding: str | None = None) -> Instruction:
    return Instruction(name, group, encoding or group, fields, 0, 4, (10, 3))


# -- memory -----------------------------------------------------------------------------------------------------------


def test_a_loop_over_fewer_and_fewer_lanes(rig: ShaderRig) -> None:
    """EXEC, a comparison, a branch."""
    assert rig.dispatch(machine_code(SHADERS["loop"]["gfx10"]), dwords_of(DATA_VA)) == [0], rig.stopped
    assert rig.dwords(0, 64) == [0, *(number * number for number in range(1, 64))]


def test_scalar_loads(rig: ShaderRig) -> None:
    """With an offset, for all lanes."""
    rig.put(8, b"\1\0\0\0\2\0\0\0")
    code = machine_code(SHADERS["scalar"]["gfx10"])
    assert rig.dispatch(code, dwords_of(DATA_VA + TARGET, DATA_VA)) == [0], rig.stopped
    assert rig.dwords(TARGET, 128) == [1, 2] * 64


def test_wide_loads_and_stores_across_pages(rig: ShaderRig) -> None:
    """Four registers for each lane; of lanes with one address the last one's stays."""
    rig.put(0, bytes(range(256)) * 4)
    target = TARGET - 256
    code = machine_code(SHADERS["wide"]["gfx10"])
    assert rig.dispatch(code, dwords_of(DATA_VA, DATA_VA + target)) == [0], rig.stopped
    source = rig.dwords(0, 256)

    def changed(lane: int) -> list[int]:
        first, second, third, fourth = source[4 * lane : 4 * lane + 4]
        return [(first + lane) & ONES, second, third, ~fourth & ONES]

    expected = [word for lane in [*range(32), 63] for word in changed(lane)]
    assert rig.dwords(target, 33 * 4 + 1) == [*expected, 0]


def test_bytes_and_shorts(rig: ShaderRig) -> None:
    """Signed bytes become shorts."""
    rig.put(0, bytes(range(100, 164)))
    code = machine_code(SHADERS["bytes"]["gfx10"])
    assert rig.dispatch(code, dwords_of(DATA_VA, DATA_VA + TARGET)) == [0], rig.stopped
    signed = [value if value < 128 else value + 0xFF00 for value in range(100, 164)]
    assert rig.bytes_at(TARGET, 130) == b"".join(value.to_bytes(2, "little") for value in [*signed, 0])


def test_offsets_of_instructions_have_signs(rig: ShaderRig) -> None:
    """One dword back, two ahead."""
    rig.put(0x1000, bytes(range(1, 9)))
    code = machine_code(SHADERS["offsets"]["gfx10"])
    assert rig.dispatch(code, dwords_of(DATA_VA + 0x1004, DATA_VA + TARGET), threads=(2, 1, 1)) == [0], rig.stopped
    assert rig.bytes_at(TARGET, 20) == bytes(8) + bytes(range(1, 9)) + bytes(4)


def buffer(va: int, records: int, stride: int = 0, last: int = 0) -> list[int]:
    """A descriptor."""
    return [va & 0xFFFF_FFFF, va >> 32 | stride << 16, records, last]


def test_buffers_end_where_their_descriptor_says(rig: ShaderRig) -> None:
    """Beyond, loads give 0 and stores are dropped: elements of the one, bytes of the other."""
    rig.put(0, b"".join(number.to_bytes(4, "little") for number in range(1, 200)))
    arguments = [*buffer(DATA_VA, 20, 8, 1 << 28), *buffer(DATA_VA + TARGET, 40 * 4, 0, 3 << 28)]
    assert rig.dispatch(machine_code(SHADERS["buffer"]["gfx10"]), arguments) == [0], rig.stopped
    assert rig.dwords(TARGET, 64) == [*range(2, 42, 2), *[0] * 44]
    assert rig.word(TARGET + 40 * 4) == 0


def test_a_buffer_may_end_inside_an_element(rig: ShaderRig) -> None:
    """Each dword counts: drivers copy what is left with the loads and stores of the whole."""
    rig.put(0, bytes(range(1, 33)))
    rig.put(TARGET, b"\xff" * 32)
    arguments = [*buffer(DATA_VA, 20, 0, 3 << 28), *buffer(DATA_VA + TARGET, 28, 0, 3 << 28)]
    assert rig.dispatch(machine_code(SHADERS["pairs"]["gfx10"]), arguments, threads=(4, 1, 1)) == [0], rig.stopped
    assert rig.bytes_at(TARGET, 32) == bytes(range(1, 21)) + bytes(8) + b"\xff" * 4


def test_parts_of_registers(rig: ShaderRig) -> None:
    """SDWA picks bytes and words; packing takes halves."""
    rig.put(0, bytes.fromhex("a1b2c3d4 01020304"))
    code = machine_code(SHADERS["parts"]["gfx10"])
    assert rig.dispatch(code, dwords_of(DATA_VA, DATA_VA + TARGET), threads=(2, 1, 1)) == [0], rig.stopped
    assert rig.dwords(TARGET, 8) == [
        *(0x1122D444, 0xB2A1_0000, 0xA1 + 0x22, 0xD444_D4C3),
        *(0x11220444, 0x0201_0000, 0x01 + 0x22, 0x0444_0403),
    ]


def test_halves_of_registers_and_memory(rig: ShaderRig) -> None:
    """D16: the other half stays."""
    rig.put(0, b"\x85\x07")
    code = machine_code(SHADERS["halves"]["gfx10"])
    assert rig.dispatch(code, dwords_of(DATA_VA, DATA_VA + TARGET), threads=(2, 1, 1)) == [0], rig.stopped
    assert rig.bytes_at(TARGET, 16) == bytes.fromhex("85ffff85 000085ff 0700ff07 00000700")


def test_moves_of_half_registers() -> None:
    """From GFX11 on, by the upper bit of a register's number or by op_sel."""
    wave = Wave(VmAccess(ShaderRig("navi31").ring(), ShaderRig().table, 1), 32, 32, 0)
    wave._vectors[8] = [0x1111_2222] * 32
    wave._vectors[4] = [0xAAAA_BBBB] * 32
    wave.scalars[2] = 0x3333_4444
    for code, expected in (
        ([0xD59C0804, 0x00000108], 0xAAAA_1111),  # v_mov_b16_e64 v4.l, v8.h
        ([0x7F083908], 0x2222_1111),  # v_mov_b16_e32 v4.h, v8.l
        ([0x7E083802], 0x2222_4444),  # v_mov_b16_e32 v4.l, s2
    ):
        MEANINGS["VOP1"](decoder_for((11,)).decode(code.__getitem__))(wave)
        assert wave.vector(4) == [expected] * 32


@pytest.mark.parametrize(("last", "why"), [(0x1104BFAC, ""), (0x1104AFAC, "format 74"), (0x1104BFAD, "0o7655")])
def test_formats_are_four_dwords(rig: ShaderRig, last: int, why: str) -> None:
    """75 is four UINT of 32 bits on GFX10; others, and components that change places, are refused by number."""
    rig.put(0, bytes(range(256)) * 4)
    arguments = [*buffer(DATA_VA, 64, 16, last), *buffer(DATA_VA + TARGET, 64, 16, last)]
    done = rig.dispatch(machine_code(SHADERS["format"]["gfx10"]), arguments)
    if why:
        assert why in rig.stopped[0][2]
    else:
        assert done == [0], rig.stopped
        assert rig.bytes_at(TARGET, 1024) == rig.bytes_at(0, 1024)


# -- PRT and faults ---------------------------------------------------------------------------------------------------

COPY = machine_code(SHADERS["wide"]["gfx10"])


def test_vector_loads_from_prt_give_0_and_stores_are_dropped(rig: ShaderRig) -> None:
    """What PRT is for (KERNEL.md 3.10)."""
    rig.put(TARGET, b"\xff" * 1024)
    assert rig.dispatch(COPY, dwords_of(HOLE_VA, DATA_VA + TARGET)) == [0], rig.stopped
    assert rig.dwords(TARGET, 4) == [0, 0, 0, ONES]
    assert rig.dispatch(COPY, dwords_of(DATA_VA, HOLE_VA)) == [0], rig.stopped
    assert not rig.faults
    assert not rig.notes


def test_vector_loads_of_nothing_fault(rig: ShaderRig) -> None:
    """Once for each run of lanes; the job goes on."""
    assert rig.dispatch(COPY, dwords_of(UNMAPPED_VA, UNMAPPED_VA + 0x10_0000)) == [0]
    assert {(fault.client, fault.write) for fault in rig.faults} == {("TCP", False), ("TCP", True)}
    assert rig.faults[0].va == UNMAPPED_VA


@pytest.mark.parametrize(("name", "faults"), [("navi21", True), ("polaris10", True), ("vega10", False)])
def test_scalar_loads_know_prt_on_gfx9_alone(name: str, faults: bool) -> None:
    """On others the page counts as not mapped."""
    rig = ShaderRig(name)
    scalar = {
        # s_load_dwordx2 s[4:5], s[2:3], 0x8; s_endpgm
        "navi21": [0xF4040101, 0xFA000008, 0xBF810000],
        "polaris10": [0xC0060101, 0x00000008, 0xBF810000],
        "vega10": [0xC0060101, 0x00000008, 0xBF810000],
    }[name]
    assert rig.dispatch(scalar, dwords_of(DATA_VA, HOLE_VA)) == [0], rig.stopped
    assert [fault.client for fault in rig.faults] == ["SQC_DATA"] * faults
    rig.close()


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ([0x06000100], "VOP2 opcode 0x3"),  # v_add_f32 v0, v0, v0
        ([0xD8D80000, 0], "DS opcode 0x36"),  # ds_read_b32 v0, v0
        ([0xDC304000, 0x007D0001], "SCRATCH opcode 0xc"),  # scratch_load_dword v0, v1, off
        (machine_code(SHADERS["atomic"]["gfx10"]), "GLOBAL opcode 0x32"),
        ([0x7E0002FA, 0xFF00E401], "v_mov_b32 with DPP or SDWA"),  # v_mov_b32_dpp v0, v1 quad_perm:[0,1,2,3]
        ([0x7E0002F9, 0x00160001], "v_mov_b32 with SDWA that changes its sources"),  # src0: -v1
        ([0xD5258000, 0x00020501], "v_add_u32 with modifiers"),  # v_add_nc_u32_e64 v0, v1, v2 clamp
        ([0xBF8A0000], "SOPP opcode 0xa"),  # s_barrier
        ([0xF0800F00, 0x00010002], "MIMG opcode 0x20"),  # image_sample
        ([0xFFFFFFFF], "the dword ffffffff"),
    ],
)
def test_what_is_not_in_the_tables_is_refused_by_name(rig: ShaderRig, code: list[int], what: str) -> None:
    """The ring stops there, and says where that is; nothing is skipped."""
    assert not rig.dispatch([*code, 0xBF810000, 0], [0])
    ring, cause, text = rig.stopped[0]
    assert (ring, cause) == (rig.ring(Engine.COMPUTE), StopCause.SHADER)
    assert ring.state is RingActivity.HUNG
    assert f"Shader that the model does not execute: {what}" in text
    assert "of the shader at 0x20000000" in text
