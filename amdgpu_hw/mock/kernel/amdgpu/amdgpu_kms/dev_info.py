# SPDX-License-Identifier: MIT
"""The answer to INFO DEV_INFO, which is the same for the whole life of a device (amdgpu_info_ioctl)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from amdgpu_hw.uapi import amdgpu_info as info
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GPU_PAGE_SIZE

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.gpus.identity import ModelIdentity
    from amdgpu_hw.mock.variants import Variant

__all__ = ("encode_dev_info",)

AMDGPU_GMC_HOLE_START = 0x0000_8000_0000_0000
AMDGPU_GMC_HOLE_END = 0xFFFF_8000_0000_0000

_NUM_HW_GFX_CONTEXTS = 8
_GANG_SUBMIT_MINOR = 62
"""IDS_FLAGS_GANG_SUBMIT came with this driver version."""


def encode_dev_info(identity: ModelIdentity, variant: Variant, userq_ip_mask: int = 0) -> bytes:
    """Fill in struct drm_amdgpu_info_device, 448 bytes; clocks in kHz, sizes in bytes but caches in KiB.

    ``userq_ip_mask``: IPs that have user queues.
    """
    pci, chip, top, memory, caches = (
        identity.pci,
        identity.chip,
        identity.topology,
        identity.memory,
        identity.caches,
    )
    vm_size = (identity.vm.size_gib << 30) - variant.va_reserved_top
    has_high_half = vm_size > AMDGPU_GMC_HOLE_START
    return info.INFO_DEVICE.pack(
        device_id=pci.device,
        chip_rev=chip.chip_rev,
        external_rev=chip.external_rev,
        pci_rev=pci.revision,
        family=chip.family,
        num_shader_engines=top.shader_engines,
        num_shader_arrays_per_engine=top.arrays_per_engine,
        gpu_counter_freq=identity.clocks.counter,
        max_engine_clock=identity.clocks.engine[1],
        max_memory_clock=identity.clocks.memory[1],
        cu_active_number=top.cu_active,
        cu_ao_mask=top.cu_always_on_mask,
        cu_bitmap=_bitmap(top.cu_bitmap),
        enabled_rb_pipes_mask=top.rb_mask & 0xFFFFFFFF,
        num_rb_pipes=top.num_rb,
        num_hw_gfx_contexts=_NUM_HW_GFX_CONTEXTS,
        pcie_gen=pci.gen,
        ids_flags=_ids_flags(identity, variant),
        virtual_address_offset=variant.va_reserved_bottom,
        virtual_address_max=min(vm_size, AMDGPU_GMC_HOLE_START),
        virtual_address_alignment=AMDGPU_GPU_PAGE_SIZE,
        pte_fragment_size=AMDGPU_GPU_PAGE_SIZE << identity.vm.fragment_size,
        gart_page_size=AMDGPU_GPU_PAGE_SIZE,
        ce_ram_size=top.ce_ram_size,
        vram_type=memory.type,
        vram_bit_width=memory.bit_width,
        vce_harvest_config=top.vce_harvest,
        gc_double_offchip_lds_buf=top.double_offchip_lds,
        wave_front_size=top.wave_size,
        num_shader_visible_vgprs=top.vgprs,
        num_cu_per_sh=top.cus_per_array,
        num_tcc_blocks=top.num_tcc,
        gs_vgt_table_depth=top.gs_table_depth,
        gs_prim_buffer_depth=top.gs_prim_depth,
        max_gs_waves_per_vgt=top.gs_waves,
        pcie_num_lanes=pci.lanes,
        high_va_offset=AMDGPU_GMC_HOLE_END if has_high_half else 0,
        high_va_max=AMDGPU_GMC_HOLE_END | vm_size if has_high_half else 0,
        pa_sc_tile_steering_override=top.tile_steering,
        tcc_disabled_mask=top.tcc_disabled_mask,
        min_engine_clock=identity.clocks.engine[0],
        min_memory_clock=identity.clocks.memory[0],
        tcp_cache_size=caches.tcp,
        num_sqc_per_wgp=caches.sqc_per_wgp,
        sqc_data_cache_size=caches.sqc_data,
        sqc_inst_cache_size=caches.sqc_inst,
        gl1c_cache_size=caches.gl1c,
        gl2c_cache_size=caches.gl2c,
        mall_size=caches.mall,
        enabled_rb_pipes_mask_hi=top.rb_mask >> 32,
        userq_ip_mask=userq_ip_mask,
    )


def _bitmap(rows: tuple[tuple[int, ...], ...]) -> bytes:
    """Lay out u32[4][4]; what the GPU's file leaves out is 0."""
    words = [0] * 16
    for i, row in enumerate(rows):
        words[4 * i : 4 * i + len(row)] = row
    return struct.pack("<16I", *words)


def _ids_flags(identity: ModelIdentity, variant: Variant) -> int:
    chip = identity.chip
    flags = 0
    if chip.apu:
        flags |= info.AMDGPU_IDS_FLAGS_FUSION
    if chip.preemption:
        flags |= info.AMDGPU_IDS_FLAGS_PREEMPTION
    if chip.tmz:
        flags |= info.AMDGPU_IDS_FLAGS_TMZ
    if chip.conformant_truncation:
        flags |= info.AMDGPU_IDS_FLAGS_CONFORMANT_TRUNC_COORD
    if variant.driver_minor >= _GANG_SUBMIT_MINOR:
        flags |= info.AMDGPU_IDS_FLAGS_GANG_SUBMIT
    return flags
