# SPDX-License-Identifier: MIT
"""Every instruction that the model executes is the one that LLVM's disassembler reads in the same bits."""

from __future__ import annotations

import re

import pytest

from amdgpu_hw.gpu_model.shader.decoder import decoder_for
from amdgpu_hw.gpu_model.shader.encodings import Encoding, encodings_of
from amdgpu_hw.gpu_model.shader.isa import GENERATIONS, aliases, instruction_names
from amdgpu_hw.packets.compute import COPY_LISTINGS
from tests.mock.gpu_model.shader.llvm import disassembled
from tests.mock.gpu_model.shader.samples import sample
from tests.mock.gpu_model.shader.shaders import SHADERS

FORGOTTEN = ("s_singleuse_vdst",)
"""Advice to the hardware that LLVM 19 knows and 20 does not."""
MEMORY = ("SMEM", "FLAT", "GLOBAL", "MUBUF")

SHOWN = {
    "sbase2": r"s\[8:", "srsrc4": r"s\[8:11\]", "srsrc": r"s\[8:11\]", "saddr": r"s\[12:13\]", "soffset": "s40",
    "vaddr": r"v(\[20:21\]|20)", "vsrc": r"v(\[24:\d\d\]|24)", "vdata": r"v(\[24:\d\d\]|24)",
    "vdst": r"v(\[4:\d\]|4)", "offset": "offset:16|0x10",
}  # fmt: skip
"""How LLVM shows the operands of samples of the instructions that reach memory."""


def unnamed(encoding: Encoding, name: str, text: str) -> list[str]:
    """Fields of a sample of memory instructions whose register or offset LLVM does not name."""
    fields = {field.name for field in encoding.fields}
    fields.discard("vsrc" if "_load_" in name else "vdst")
    if encoding.name == "SMEM":
        fields.discard("soffset")
    if encoding.name == "MUBUF":
        fields.discard("vaddr")  # the sample takes none
    if encoding.name == "FLAT":
        fields.discard("saddr")
    return [field for field, shown in SHOWN.items() if field in fields and not re.search(shown, text)]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_llvm_reads_every_instruction_alike(generation: str) -> None:
    """By opcode; and our decoder says of the same bytes what the table says."""
    version = GENERATIONS[generation]
    encodings = {encoding.name: encoding for encoding in encodings_of(version)}
    table = [
        (encodings[group], opcode, name)
        for group, names in instruction_names(version).items()
        for opcode, name in names.items()
        if name not in FORGOTTEN
    ]
    codes = [sample(*entry, version) for entry in table]
    wrong = []
    for (encoding, _, name), code, text in zip(table, codes, disassembled(generation, codes), strict=True):
        mnemonic = re.sub(r"_e(32|64)$", "", text.split(" ")[0])
        if mnemonic not in aliases(encoding.name, name):
            wrong.append(f"{encoding.name} {name} {code.hex()}: {text}")
        if encoding.name in MEMORY and (missing := unnamed(encoding, name, text)):
            wrong.append(f"{encoding.name} {name}: {text} has not {missing}")
        words = [int.from_bytes(code[at : at + 4], "little") for at in range(0, len(code), 4)]
        found = decoder_for(version).decode(words.__getitem__)
        assert (found.name, found.encoding, found.size) == (name, encoding.name, len(code))
    assert not wrong
    assert len(table) > 170


def _listings() -> dict[str, tuple[str, str]]:
    """Generation and text of every shader that is written down."""
    found = {f"{name}-{one}": (one, text) for name, texts in SHADERS.items() for one, text in texts.items()}
    for since, _, text in COPY_LISTINGS:
        generation = next(name for name, version in GENERATIONS.items() if version == since)
        found[f"copy-{generation}"] = (generation, text)
    return found


@pytest.mark.parametrize("name", _listings())
def test_the_shaders_are_what_is_written_beside_them(name: str) -> None:
    """Each line's dwords are its assembly."""
    generation, text = _listings()[name]
    lines = [line.partition(";") for line in text.strip().splitlines()]
    codes = [b"".join(int(word, 16).to_bytes(4, "little") for word in code.split()) for code, _, _ in lines]
    assert disassembled(generation, codes) == [assembly.strip() for _, _, assembly in lines]
