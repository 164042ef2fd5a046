# SPDX-License-Identifier: MIT
"""The GPUs there are models of: one TOML file each, the only place where one is described.

What a machine shows of a GPU in /sys and answers to INFO, its rings and the model of its hardware all derive from a
`ModelIdentity`. A new GPU is a new file here; `identity` documents its keys.
"""

from __future__ import annotations

import functools
import tomllib
from importlib import resources

from amdgpu_hw.decode import TOML, DecodeError, decode
from amdgpu_hw.gpu_model.gpus.identity import ModelIdentity
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GPU_PAGE_SIZE

__all__ = ("IdentityError", "ModelIdentity", "UnknownGpu", "gpu_names", "load_identity", "parse_identity")


class IdentityError(ValueError):
    """A GPU's file is wrong; the message is one sentence that names the file and the key."""


class UnknownGpu(ValueError):
    """There is no mock GPU of that name; the message lists those there are."""


def gpu_names() -> list[str]:
    """Names of all mock GPUs, sorted."""
    files = resources.files(__name__).iterdir()
    return sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml"))


@functools.cache
def load_identity(name: str) -> ModelIdentity:
    """Read the GPU called ``name`` (`UnknownGpu` if there is none, `IdentityError` if its file is wrong)."""
    names = gpu_names()
    if name not in names:
        raise UnknownGpu(f"there is no mock GPU called '{name}'; there are: {', '.join(names)}")
    text = (resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8")
    return parse_identity(name, text)


def parse_identity(name: str, text: str) -> ModelIdentity:
    """Make the identity of the GPU ``name`` from the text of its file; raises `IdentityError`."""
    source = f"{name}.toml"
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise IdentityError(f"{source} is not TOML: {error}") from None
    if "name" in table:
        raise IdentityError(f"{source}: the key 'name' is not allowed, the file's name is the GPU's name")
    try:
        identity: ModelIdentity = decode(ModelIdentity, table, dialect=TOML, given={"name": name})
    except DecodeError as error:
        raise IdentityError(f"{source}: {error}") from None
    _check(identity, source)
    return identity


def _check(identity: ModelIdentity, source: str) -> None:
    """Refuse what fits the types but cannot be a GPU."""
    top, mem, rings = identity.topology, identity.memory, identity.rings
    bits = sum(word.bit_count() for row in top.cu_bitmap for word in row)
    lowest, highest = identity.clocks.engine
    gc_major, sdma_major = identity.gc_version[0], identity.sdma_version[0]
    vm_size = identity.vm.size_gib
    whole_pages = f"a positive multiple of {AMDGPU_GPU_PAGE_SIZE}"
    rules = (
        (
            len(top.cu_bitmap) <= 4 and all(len(row) <= 4 for row in top.cu_bitmap),
            "topology.cu_bitmap",
            "at most 4x4",
        ),
        (
            bits * top.xcc == top.cu_active,
            "topology.cu_active",
            f"{bits * top.xcc}, as many as cu_bitmap has bits",
        ),
        (mem.vram % AMDGPU_GPU_PAGE_SIZE == 0 and mem.vram > 0, "memory.vram", whole_pages),
        (mem.gtt % AMDGPU_GPU_PAGE_SIZE == 0 and mem.gtt > 0, "memory.gtt", whole_pages),
        (mem.visible_vram <= mem.vram, "memory.visible", "at most memory.vram"),
        (mem.vram_pinned < mem.visible_vram, "memory.vram_pinned", "less than the visible VRAM"),
        (
            mem.vram_pinned_hidden <= mem.vram - mem.visible_vram,
            "memory.vram_pinned_hidden",
            "at most what of memory.vram is not visible",
        ),
        (mem.gtt_pinned < mem.gtt, "memory.gtt_pinned", "less than memory.gtt"),
        (rings.gfx + rings.compute > 0, "rings", "with a gfx or compute ring"),
        (1 <= rings.sdma <= identity.sdma.instances, "rings.sdma", "between 1 and sdma.instances"),
        (identity.sdma_version >= (2, 0, 0), "sdma.version", "2.0 or later: GFX6's DMA engine is not modelled"),
        (not identity.sdma.page_queues or sdma_major == 4, "sdma.page_queues", "false: only SDMA 4 has them"),
        (identity.clocks.counter > 0, "clocks.counter", "positive"),
        (lowest <= highest, "clocks.engine", "the lowest clock, then the highest"),
        (1 < identity.vm.first_kfd_vmid <= 16, "vm.first_kfd_vmid", "between 2 and 16"),
        # amdgpu_vm_adjust_size: 64 GiB up to all of 40 bits, in powers of two; from GFX9 on up to 48 bits.
        (
            gc_major >= 9 or vm_size in (64, 128, 256, 512, 1024),
            "vm.size_gib",
            "64, 128, 256, 512 or 1024 before GFX9",
        ),
        (0 < vm_size <= 256 << 10, "vm.size_gib", "at most 262144, which is 48 bits"),
        (identity.pci.device < 1 << 16 and identity.pci.revision < 1 << 8, "pci", "of PCI's field widths"),
    )
    for good, key, wanted in rules:
        if not good:
            raise IdentityError(f"{source}: the key '{key}' must be {wanted}")
