# SPDX-License-Identifier: MIT
"""What AMDGPU_INFO is asked and answers: the query half of include/uapi/drm/amdgpu_drm.h.

A reply is cut to the size the caller asked for, so older user space sees a shorter struct.
"""

from __future__ import annotations

from amdgpu_hw.uapi.layout import Struct

# Queries
AMDGPU_INFO_ACCEL_WORKING = 0x00
AMDGPU_INFO_CRTC_FROM_ID = 0x01
AMDGPU_INFO_HW_IP_INFO = 0x02
AMDGPU_INFO_HW_IP_COUNT = 0x03
AMDGPU_INFO_TIMESTAMP = 0x05
AMDGPU_INFO_FW_VERSION = 0x0E
AMDGPU_INFO_NUM_BYTES_MOVED = 0x0F
AMDGPU_INFO_VRAM_USAGE = 0x10
AMDGPU_INFO_GTT_USAGE = 0x11
AMDGPU_INFO_GDS_CONFIG = 0x13
AMDGPU_INFO_VRAM_GTT = 0x14
AMDGPU_INFO_READ_MMR_REG = 0x15
AMDGPU_INFO_DEV_INFO = 0x16
AMDGPU_INFO_VIS_VRAM_USAGE = 0x17
AMDGPU_INFO_NUM_EVICTIONS = 0x18
AMDGPU_INFO_MEMORY = 0x19
AMDGPU_INFO_VCE_CLOCK_TABLE = 0x1A
AMDGPU_INFO_VBIOS = 0x1B
AMDGPU_INFO_NUM_HANDLES = 0x1C
AMDGPU_INFO_SENSOR = 0x1D
AMDGPU_INFO_NUM_VRAM_CPU_PAGE_FAULTS = 0x1E
AMDGPU_INFO_VRAM_LOST_COUNTER = 0x1F
AMDGPU_INFO_RAS_ENABLED_FEATURES = 0x20
AMDGPU_INFO_VIDEO_CAPS = 0x21
AMDGPU_INFO_MAX_IBS = 0x22
AMDGPU_INFO_GPUVM_FAULT = 0x23
AMDGPU_INFO_UQ_FW_AREAS = 0x24

# Firmware types
AMDGPU_INFO_FW_VCE = 0x1
AMDGPU_INFO_FW_UVD = 0x2
AMDGPU_INFO_FW_GMC = 0x03
AMDGPU_INFO_FW_GFX_ME = 0x04
AMDGPU_INFO_FW_GFX_PFP = 0x05
AMDGPU_INFO_FW_GFX_CE = 0x06
AMDGPU_INFO_FW_GFX_RLC = 0x07
AMDGPU_INFO_FW_GFX_MEC = 0x08
AMDGPU_INFO_FW_SMC = 0x0A
AMDGPU_INFO_FW_SDMA = 0x0B
AMDGPU_INFO_FW_SOS = 0x0C
AMDGPU_INFO_FW_ASD = 0x0D
AMDGPU_INFO_FW_VCN = 0x0E
AMDGPU_INFO_FW_GFX_RLC_RESTORE_LIST_CNTL = 0x0F
AMDGPU_INFO_FW_GFX_RLC_RESTORE_LIST_GPM_MEM = 0x10
AMDGPU_INFO_FW_GFX_RLC_RESTORE_LIST_SRM_MEM = 0x11
AMDGPU_INFO_FW_DMCU = 0x12
AMDGPU_INFO_FW_TA = 0x13
AMDGPU_INFO_FW_DMCUB = 0x14
AMDGPU_INFO_FW_TOC = 0x15
AMDGPU_INFO_FW_CAP = 0x16
AMDGPU_INFO_FW_GFX_RLCP = 0x17
AMDGPU_INFO_FW_GFX_RLCV = 0x18
AMDGPU_INFO_FW_MES_KIQ = 0x19
AMDGPU_INFO_FW_MES = 0x1A
AMDGPU_INFO_FW_IMU = 0x1B
AMDGPU_INFO_FW_VPE = 0x1C

# Sensors
AMDGPU_INFO_SENSOR_GFX_SCLK = 0x1
AMDGPU_INFO_SENSOR_GFX_MCLK = 0x2
AMDGPU_INFO_SENSOR_GPU_TEMP = 0x3
AMDGPU_INFO_SENSOR_GPU_LOAD = 0x4
AMDGPU_INFO_SENSOR_GPU_AVG_POWER = 0x5
AMDGPU_INFO_SENSOR_VDDNB = 0x6
AMDGPU_INFO_SENSOR_VDDGFX = 0x7
AMDGPU_INFO_SENSOR_STABLE_PSTATE_GFX_SCLK = 0x8
AMDGPU_INFO_SENSOR_STABLE_PSTATE_GFX_MCLK = 0x9
AMDGPU_INFO_SENSOR_PEAK_PSTATE_GFX_SCLK = 0xA
AMDGPU_INFO_SENSOR_PEAK_PSTATE_GFX_MCLK = 0xB
AMDGPU_INFO_SENSOR_GPU_INPUT_POWER = 0xC

# VBIOS and video
AMDGPU_INFO_VBIOS_SIZE = 0x1
AMDGPU_INFO_VBIOS_IMAGE = 0x2
AMDGPU_INFO_VBIOS_INFO = 0x3
AMDGPU_INFO_VIDEO_CAPS_DECODE = 0
AMDGPU_INFO_VIDEO_CAPS_ENCODE = 1
AMDGPU_INFO_VIDEO_CAPS_CODEC_IDX_MPEG2 = 0
AMDGPU_INFO_VIDEO_CAPS_CODEC_IDX_MPEG4 = 1
AMDGPU_INFO_VIDEO_CAPS_CODEC_IDX_VC1 = 2
AMDGPU_INFO_VIDEO_CAPS_CODEC_IDX_MPEG4_AVC = 3
AMDGPU_INFO_VIDEO_CAPS_CODEC_IDX_HEVC = 4
AMDGPU_INFO_VIDEO_CAPS_CODEC_IDX_JPEG = 5
AMDGPU_INFO_VIDEO_CAPS_CODEC_IDX_VP9 = 6
AMDGPU_INFO_VIDEO_CAPS_CODEC_IDX_AV1 = 7
AMDGPU_INFO_VIDEO_CAPS_CODEC_IDX_COUNT = 8

# Register reads
AMDGPU_INFO_MMR_SE_INDEX_SHIFT = 0
AMDGPU_INFO_MMR_SE_INDEX_MASK = 0xFF
AMDGPU_INFO_MMR_SH_INDEX_SHIFT = 8
AMDGPU_INFO_MMR_SH_INDEX_MASK = 0xFF

# Identity
AMDGPU_IDS_FLAGS_FUSION = 0x01
AMDGPU_IDS_FLAGS_PREEMPTION = 0x02
AMDGPU_IDS_FLAGS_TMZ = 0x04
AMDGPU_IDS_FLAGS_CONFORMANT_TRUNC_COORD = 0x08
AMDGPU_IDS_FLAGS_GANG_SUBMIT = 0x10
AMDGPU_IDS_FLAGS_MODE_MASK = 0x300
AMDGPU_IDS_FLAGS_MODE_SHIFT = 0x8
AMDGPU_IDS_FLAGS_MODE_PF = 0x0
AMDGPU_IDS_FLAGS_MODE_VF = 0x1
AMDGPU_IDS_FLAGS_MODE_PT = 0x2
AMDGPU_VRAM_TYPE_UNKNOWN = 0
AMDGPU_VRAM_TYPE_GDDR1 = 1
AMDGPU_VRAM_TYPE_DDR2 = 2
AMDGPU_VRAM_TYPE_GDDR3 = 3
AMDGPU_VRAM_TYPE_GDDR4 = 4
AMDGPU_VRAM_TYPE_GDDR5 = 5
AMDGPU_VRAM_TYPE_HBM = 6
AMDGPU_VRAM_TYPE_DDR3 = 7
AMDGPU_VRAM_TYPE_DDR4 = 8
AMDGPU_VRAM_TYPE_GDDR6 = 9
AMDGPU_VRAM_TYPE_DDR5 = 10
AMDGPU_VRAM_TYPE_LPDDR4 = 11
AMDGPU_VRAM_TYPE_LPDDR5 = 12
AMDGPU_VRAM_TYPE_HBM3E = 13
AMDGPU_VRAM_TYPE_HBM4 = 14
AMDGPU_FAMILY_UNKNOWN = 0
AMDGPU_FAMILY_SI = 110
AMDGPU_FAMILY_CI = 120
AMDGPU_FAMILY_KV = 125
AMDGPU_FAMILY_VI = 130
AMDGPU_FAMILY_CZ = 135
AMDGPU_FAMILY_AI = 141
AMDGPU_FAMILY_RV = 142
AMDGPU_FAMILY_NV = 143
AMDGPU_FAMILY_VGH = 144
AMDGPU_FAMILY_GC_11_0_0 = 145
AMDGPU_FAMILY_YC = 146
AMDGPU_FAMILY_GC_11_0_1 = 148
AMDGPU_FAMILY_GC_10_3_6 = 149
AMDGPU_FAMILY_GC_10_3_7 = 151
AMDGPU_FAMILY_GC_11_5_0 = 150
AMDGPU_FAMILY_GC_12_0_0 = 152

# VM faults
AMDGPU_VMHUB_TYPE_MASK = 0xFF
AMDGPU_VMHUB_TYPE_SHIFT = 0
AMDGPU_VMHUB_TYPE_GFX = 0
AMDGPU_VMHUB_TYPE_MM0 = 1
AMDGPU_VMHUB_TYPE_MM1 = 2
AMDGPU_VMHUB_IDX_MASK = 0xFF00
AMDGPU_VMHUB_IDX_SHIFT = 8

INFO_DEVICE = Struct(
    "drm_amdgpu_info_device",
    "u32 device_id; u32 chip_rev; u32 external_rev; u32 pci_rev; u32 family; u32 num_shader_engines;"
    "u32 num_shader_arrays_per_engine; u32 gpu_counter_freq; u64 max_engine_clock; u64 max_memory_clock;"
    "u32 cu_active_number; u32 cu_ao_mask; u32 cu_bitmap[16]; u32 enabled_rb_pipes_mask; u32 num_rb_pipes;"
    "u32 num_hw_gfx_contexts; u32 pcie_gen; u64 ids_flags; u64 virtual_address_offset; u64 virtual_address_max;"
    "u32 virtual_address_alignment; u32 pte_fragment_size; u32 gart_page_size; u32 ce_ram_size; u32 vram_type;"
    "u32 vram_bit_width; u32 vce_harvest_config; u32 gc_double_offchip_lds_buf; u64 prim_buf_gpu_addr;"
    "u64 pos_buf_gpu_addr; u64 cntl_sb_buf_gpu_addr; u64 param_buf_gpu_addr; u32 prim_buf_size;"
    "u32 pos_buf_size; u32 cntl_sb_buf_size; u32 param_buf_size; u32 wave_front_size;"
    "u32 num_shader_visible_vgprs; u32 num_cu_per_sh; u32 num_tcc_blocks; u32 gs_vgt_table_depth;"
    "u32 gs_prim_buffer_depth; u32 max_gs_waves_per_vgt; u32 pcie_num_lanes; u32 cu_ao_bitmap[16];"
    "u64 high_va_offset; u64 high_va_max; u32 pa_sc_tile_steering_override; u64 tcc_disabled_mask;"
    "u64 min_engine_clock; u64 min_memory_clock; u32 tcp_cache_size; u32 num_sqc_per_wgp;"
    "u32 sqc_data_cache_size; u32 sqc_inst_cache_size; u32 gl1c_cache_size; u32 gl2c_cache_size; u64 mall_size;"
    "u32 enabled_rb_pipes_mask_hi; u32 shadow_size; u32 shadow_alignment; u32 csa_size; u32 csa_alignment;"
    "u32 userq_ip_mask; u32 pad",
)
INFO_HW_IP = Struct(
    "drm_amdgpu_info_hw_ip",
    "u32 hw_ip_version_major; u32 hw_ip_version_minor; u64 capabilities_flags; u32 ib_start_alignment;"
    "u32 ib_size_alignment; u32 available_rings; u32 ip_discovery_version; u32 userq_num_slots",
)
INFO_HW_IP_OLD_SIZE = 32
"""The reply's size before Linux 6.16."""

INFO_FIRMWARE = Struct("drm_amdgpu_info_firmware", "u32 ver; u32 feature")
INFO_GDS = Struct(
    "drm_amdgpu_info_gds",
    "u32 gds_gfx_partition_size; u32 compute_partition_size; u32 gds_total_size; u32 gws_per_gfx_partition;"
    "u32 gws_per_compute_partition; u32 oa_per_gfx_partition; u32 oa_per_compute_partition; u32 _pad",
)
INFO_VRAM_GTT = Struct("drm_amdgpu_info_vram_gtt", "u64 vram_size; u64 vram_cpu_accessible_size; u64 gtt_size")
HEAP_INFO = Struct(
    "drm_amdgpu_heap_info", "u64 total_heap_size; u64 usable_heap_size; u64 heap_usage; u64 max_allocation"
)
MEMORY_INFO_SIZE = 3 * HEAP_INFO.size
"""MEMORY answers three heaps in a row: VRAM, CPU-visible VRAM, GTT."""

INFO_VBIOS = Struct(
    "drm_amdgpu_info_vbios",
    "u8 name[64]; u8 vbios_pn[64]; u32 version; u32 pad; u8 vbios_ver_str[32]; u8 date[32]",
)
INFO_NUM_HANDLES = Struct("drm_amdgpu_info_num_handles", "u32 uvd_max_handles; u32 uvd_used_handles")
INFO_VCE_CLOCK_TABLE_SIZE = 104
INFO_VIDEO_CODEC = Struct(
    "drm_amdgpu_info_video_codec_info",
    "u32 valid; u32 max_width; u32 max_height; u32 max_pixels_per_frame; u32 max_level; u32 pad",
)
INFO_VIDEO_CAPS_CODECS = 8
INFO_GPUVM_FAULT = Struct("drm_amdgpu_info_gpuvm_fault", "u64 addr; u32 status; u32 vmhub")
INFO_UQ_METADATA_GFX = Struct(
    "drm_amdgpu_info_uq_metadata_gfx",
    "u32 shadow_size; u32 shadow_alignment; u32 csa_size; u32 csa_alignment",
)
