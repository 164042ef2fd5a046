# SPDX-License-Identifier: MIT
"""amdgpu's ioctls: include/uapi/drm/amdgpu_drm.h, newest layouts, plus the flag of the explicit-sync series.

What AMDGPU_INFO answers is in `amdgpu_hw.uapi.amdgpu_info`. Unions of the header are split into what goes in and
what comes out.
"""

from __future__ import annotations

from amdgpu_hw.uapi.layout import Struct, iow, iowr

# Memory domains
AMDGPU_GEM_DOMAIN_CPU = 0x1
AMDGPU_GEM_DOMAIN_GTT = 0x2
AMDGPU_GEM_DOMAIN_VRAM = 0x4
AMDGPU_GEM_DOMAIN_GDS = 0x8
AMDGPU_GEM_DOMAIN_GWS = 0x10
AMDGPU_GEM_DOMAIN_OA = 0x20
AMDGPU_GEM_DOMAIN_DOORBELL = 0x40
AMDGPU_GEM_DOMAIN_MMIO_REMAP = 0x80

# The GPU's pages, which GEM_VA counts in whatever the CPU's are. The one name here that is of the driver's own headers
# (amdgpu_gart.h): the ABI means it in many places and has no name for it.
AMDGPU_GPU_PAGE_SHIFT = 12
AMDGPU_GPU_PAGE_SIZE = 1 << AMDGPU_GPU_PAGE_SHIFT

# GEM_CREATE flags
AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED = 1 << 0
AMDGPU_GEM_CREATE_NO_CPU_ACCESS = 1 << 1
AMDGPU_GEM_CREATE_CPU_GTT_USWC = 1 << 2
AMDGPU_GEM_CREATE_VRAM_CLEARED = 1 << 3
AMDGPU_GEM_CREATE_VRAM_CONTIGUOUS = 1 << 5
AMDGPU_GEM_CREATE_VM_ALWAYS_VALID = 1 << 6
AMDGPU_GEM_CREATE_EXPLICIT_SYNC = 1 << 7
AMDGPU_GEM_CREATE_CP_MQD_GFX9 = 1 << 8
AMDGPU_GEM_CREATE_VRAM_WIPE_ON_RELEASE = 1 << 9
AMDGPU_GEM_CREATE_ENCRYPTED = 1 << 10
AMDGPU_GEM_CREATE_PREEMPTIBLE = 1 << 11
AMDGPU_GEM_CREATE_DISCARDABLE = 1 << 12
AMDGPU_GEM_CREATE_COHERENT = 1 << 13
AMDGPU_GEM_CREATE_UNCACHED = 1 << 14
AMDGPU_GEM_CREATE_EXT_COHERENT = 1 << 15
AMDGPU_GEM_CREATE_GFX12_DCC = 1 << 16

# GEM_USERPTR flags
AMDGPU_GEM_USERPTR_READONLY = 1 << 0
AMDGPU_GEM_USERPTR_ANONONLY = 1 << 1
AMDGPU_GEM_USERPTR_VALIDATE = 1 << 2
AMDGPU_GEM_USERPTR_REGISTER = 1 << 3

# GEM_METADATA and GEM_OP
AMDGPU_TILING_TILE_SPLIT_SHIFT = 9
AMDGPU_TILING_TILE_SPLIT_MASK = 0x7
AMDGPU_GEM_METADATA_OP_SET_METADATA = 1
AMDGPU_GEM_METADATA_OP_GET_METADATA = 2
AMDGPU_GEM_OP_GET_GEM_CREATE_INFO = 0
AMDGPU_GEM_OP_SET_PLACEMENT = 1
AMDGPU_GEM_OP_GET_MAPPING_INFO = 2
AMDGPU_GEM_LIST_HANDLES_FLAG_IS_IMPORT = 1 << 0

# GEM_VA operations
AMDGPU_VA_OP_MAP = 1
AMDGPU_VA_OP_UNMAP = 2
AMDGPU_VA_OP_CLEAR = 3
AMDGPU_VA_OP_REPLACE = 4

# GEM_VA flags
AMDGPU_VM_DELAY_UPDATE = 1 << 0
AMDGPU_VM_PAGE_READABLE = 1 << 1
AMDGPU_VM_PAGE_WRITEABLE = 1 << 2
AMDGPU_VM_PAGE_EXECUTABLE = 1 << 3
AMDGPU_VM_PAGE_PRT = 1 << 4
AMDGPU_VM_MTYPE_MASK = 0xF << 5
AMDGPU_VM_MTYPE_DEFAULT = 0 << 5
AMDGPU_VM_MTYPE_NC = 1 << 5
AMDGPU_VM_MTYPE_WC = 2 << 5
AMDGPU_VM_MTYPE_CC = 3 << 5
AMDGPU_VM_MTYPE_UC = 4 << 5
AMDGPU_VM_MTYPE_RW = 5 << 5
AMDGPU_VM_PAGE_NOALLOC = 1 << 9

# Bit 10 is the series' (patch 2 of 3): bypass implicit synchronisation for unmaps that cannot free memory.
AMDGPU_VM_EXPLICIT_SYNC = 1 << 10

VM_FLAGS = {
    "DELAY_UPDATE": AMDGPU_VM_DELAY_UPDATE,
    "READABLE": AMDGPU_VM_PAGE_READABLE,
    "WRITEABLE": AMDGPU_VM_PAGE_WRITEABLE,
    "EXECUTABLE": AMDGPU_VM_PAGE_EXECUTABLE,
    "PRT": AMDGPU_VM_PAGE_PRT,
    "NOALLOC": AMDGPU_VM_PAGE_NOALLOC,
    "EXPLICIT_SYNC": AMDGPU_VM_EXPLICIT_SYNC,
}
"""Names of the single-bit GEM_VA flags, for messages (`layout.flag_names`)."""

# Contexts
AMDGPU_CTX_OP_ALLOC_CTX = 1
AMDGPU_CTX_OP_FREE_CTX = 2
AMDGPU_CTX_OP_QUERY_STATE = 3
AMDGPU_CTX_OP_QUERY_STATE2 = 4
AMDGPU_CTX_OP_GET_STABLE_PSTATE = 5
AMDGPU_CTX_OP_SET_STABLE_PSTATE = 6
AMDGPU_CTX_NO_RESET = 0
AMDGPU_CTX_GUILTY_RESET = 1
AMDGPU_CTX_INNOCENT_RESET = 2
AMDGPU_CTX_UNKNOWN_RESET = 3
AMDGPU_CTX_QUERY2_FLAGS_RESET = 1 << 0
AMDGPU_CTX_QUERY2_FLAGS_VRAMLOST = 1 << 1
AMDGPU_CTX_QUERY2_FLAGS_GUILTY = 1 << 2
AMDGPU_CTX_QUERY2_FLAGS_RAS_CE = 1 << 3
AMDGPU_CTX_QUERY2_FLAGS_RAS_UE = 1 << 4
AMDGPU_CTX_QUERY2_FLAGS_RESET_IN_PROGRESS = 1 << 5
AMDGPU_CTX_PRIORITY_UNSET = -2048
AMDGPU_CTX_PRIORITY_VERY_LOW = -1023
AMDGPU_CTX_PRIORITY_LOW = -512
AMDGPU_CTX_PRIORITY_NORMAL = 0
AMDGPU_CTX_PRIORITY_HIGH = 512
AMDGPU_CTX_PRIORITY_VERY_HIGH = 1023
AMDGPU_CTX_STABLE_PSTATE_FLAGS_MASK = 0xF
AMDGPU_CTX_STABLE_PSTATE_NONE = 0
AMDGPU_CTX_STABLE_PSTATE_STANDARD = 1
AMDGPU_CTX_STABLE_PSTATE_MIN_SCLK = 2
AMDGPU_CTX_STABLE_PSTATE_MIN_MCLK = 3
AMDGPU_CTX_STABLE_PSTATE_PEAK = 4

# BO_LIST
AMDGPU_BO_LIST_OP_CREATE = 0
AMDGPU_BO_LIST_OP_DESTROY = 1
AMDGPU_BO_LIST_OP_UPDATE = 2

# VM ioctl
AMDGPU_VM_OP_RESERVE_VMID = 1
AMDGPU_VM_OP_UNRESERVE_VMID = 2

# Hardware IP blocks
AMDGPU_HW_IP_GFX = 0
AMDGPU_HW_IP_COMPUTE = 1
AMDGPU_HW_IP_DMA = 2
AMDGPU_HW_IP_UVD = 3
AMDGPU_HW_IP_VCE = 4
AMDGPU_HW_IP_UVD_ENC = 5
AMDGPU_HW_IP_VCN_DEC = 6
AMDGPU_HW_IP_VCN_ENC = 7
AMDGPU_HW_IP_VCN_JPEG = 8
AMDGPU_HW_IP_VPE = 9
AMDGPU_HW_IP_NUM = 10
AMDGPU_HW_IP_INSTANCE_MAX_COUNT = 1

# CS chunks and IB flags
AMDGPU_CHUNK_ID_IB = 0x01
AMDGPU_CHUNK_ID_FENCE = 0x02
AMDGPU_CHUNK_ID_DEPENDENCIES = 0x03
AMDGPU_CHUNK_ID_SYNCOBJ_IN = 0x04
AMDGPU_CHUNK_ID_SYNCOBJ_OUT = 0x05
AMDGPU_CHUNK_ID_BO_HANDLES = 0x06
AMDGPU_CHUNK_ID_SCHEDULED_DEPENDENCIES = 0x07
AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_WAIT = 0x08
AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_SIGNAL = 0x09
AMDGPU_CHUNK_ID_CP_GFX_SHADOW = 0x0A
AMDGPU_IB_FLAG_CE = 1 << 0
AMDGPU_IB_FLAG_PREAMBLE = 1 << 1
AMDGPU_IB_FLAG_PREEMPT = 1 << 2
AMDGPU_IB_FLAG_TC_WB_NOT_INVALIDATE = 1 << 3
AMDGPU_IB_FLAG_RESET_GDS_MAX_WAVE_ID = 1 << 4
AMDGPU_IB_FLAGS_SECURE = 1 << 5
AMDGPU_IB_FLAG_EMIT_MEM_SYNC = 1 << 6

# FENCE_TO_HANDLE
AMDGPU_FENCE_TO_HANDLE_GET_SYNCOBJ = 0
AMDGPU_FENCE_TO_HANDLE_GET_SYNCOBJ_FD = 1
AMDGPU_FENCE_TO_HANDLE_GET_SYNC_FILE_FD = 2

# SCHED
AMDGPU_SCHED_OP_PROCESS_PRIORITY_OVERRIDE = 1
AMDGPU_SCHED_OP_CONTEXT_PRIORITY_OVERRIDE = 2

# User queues
AMDGPU_USERQ_OP_CREATE = 1
AMDGPU_USERQ_OP_FREE = 2
AMDGPU_USERQ_CREATE_FLAGS_QUEUE_PRIORITY_MASK = 0x3
AMDGPU_USERQ_CREATE_FLAGS_QUEUE_PRIORITY_HIGH = 3
AMDGPU_USERQ_CREATE_FLAGS_QUEUE_SECURE = 1 << 2

GEM_CREATE_IN = Struct("drm_amdgpu_gem_create_in", "u64 bo_size; u64 alignment; u64 domains; u64 domain_flags")
GEM_CREATE_OUT = Struct("drm_amdgpu_gem_create_out", "u32 handle; u32 _pad")
GEM_MMAP_IN = Struct("drm_amdgpu_gem_mmap_in", "u32 handle; u32 _pad")
GEM_MMAP_OUT = Struct("drm_amdgpu_gem_mmap_out", "u64 addr_ptr")
GEM_USERPTR = Struct("drm_amdgpu_gem_userptr", "u64 addr; u64 size; u32 flags; u32 handle")
GEM_WAIT_IDLE_IN = Struct("drm_amdgpu_gem_wait_idle_in", "u32 handle; u32 flags; u64 timeout")
GEM_WAIT_IDLE_OUT = Struct("drm_amdgpu_gem_wait_idle_out", "u32 status; u32 domain")
GEM_METADATA = Struct(
    "drm_amdgpu_gem_metadata",
    "u32 handle; u32 op; u64 flags; u64 tiling_info; u32 data_size_bytes; u32 data[64]",
)
GEM_OP = Struct("drm_amdgpu_gem_op", "u32 handle; u32 op; u64 value; u32 num_entries; u32 padding")
GEM_VM_ENTRY = Struct("drm_amdgpu_gem_vm_entry", "u64 addr; u64 size; u64 offset; u64 flags")
PROC_OPTIONS = Struct("drm_amdgpu_proc_options", "u32 op; u32 value")
GEM_LIST_HANDLES = Struct("drm_amdgpu_gem_list_handles", "u64 entries; u32 num_entries; u32 padding")
GEM_LIST_HANDLES_ENTRY = Struct(
    "drm_amdgpu_gem_list_handles_entry",
    "u32 gem_handle; u32 flags; u64 size; u64 preferred_domains; u64 alloc_flags; u64 alignment",
)
GEM_VA = Struct(
    "drm_amdgpu_gem_va",
    "u32 handle; u32 _pad; u32 operation; u32 flags; u64 va_address; u64 offset_in_bo; u64 map_size;"
    "u64 vm_timeline_point; u32 vm_timeline_syncobj_out; u32 num_syncobj_handles;"
    "u64 input_fence_syncobj_handles",
)
GEM_VA_OLD_SIZE = 40
"""What headers before Linux 6.16 send: without the update fence and the input fences."""

CTX_IN = Struct("drm_amdgpu_ctx_in", "u32 op; u32 flags; u32 ctx_id; s32 priority")
CTX_ALLOC_OUT = Struct("drm_amdgpu_ctx_out_alloc", "u32 ctx_id; u32 _pad")
CTX_STATE_OUT = Struct("drm_amdgpu_ctx_out_state", "u64 flags; u32 hangs; u32 reset_status")
CTX_PSTATE_OUT = Struct("drm_amdgpu_ctx_out_pstate", "u32 flags; u32 _pad")
BO_LIST_IN = Struct(
    "drm_amdgpu_bo_list_in",
    "u32 operation; u32 list_handle; u32 bo_number; u32 bo_info_size; u64 bo_info_ptr",
)
BO_LIST_OUT = Struct("drm_amdgpu_bo_list_out", "u32 list_handle; u32 _pad")
BO_LIST_ENTRY = Struct("drm_amdgpu_bo_list_entry", "u32 bo_handle; u32 bo_priority")
CS_IN = Struct("drm_amdgpu_cs_in", "u32 ctx_id; u32 bo_list_handle; u32 num_chunks; u32 flags; u64 chunks")
CS_OUT = Struct("drm_amdgpu_cs_out", "u64 handle")
CS_CHUNK = Struct("drm_amdgpu_cs_chunk", "u32 chunk_id; u32 length_dw; u64 chunk_data")
CS_CHUNK_IB = Struct(
    "drm_amdgpu_cs_chunk_ib",
    "u32 _pad; u32 flags; u64 va_start; u32 ib_bytes; u32 ip_type; u32 ip_instance; u32 ring",
)
CS_CHUNK_DEP = Struct("drm_amdgpu_cs_chunk_dep", "u32 ip_type; u32 ip_instance; u32 ring; u32 ctx_id; u64 handle")
CS_CHUNK_FENCE = Struct("drm_amdgpu_cs_chunk_fence", "u32 handle; u32 offset")
CS_CHUNK_SEM = Struct("drm_amdgpu_cs_chunk_sem", "u32 handle")
CS_CHUNK_SYNCOBJ = Struct("drm_amdgpu_cs_chunk_syncobj", "u32 handle; u32 flags; u64 point")
CS_CHUNK_CP_GFX_SHADOW = Struct("drm_amdgpu_cs_chunk_cp_gfx_shadow", "u64 shadow_va; u64 csa_va; u64 gds_va; u64 flags")
WAIT_CS_IN = Struct(
    "drm_amdgpu_wait_cs_in", "u64 handle; u64 timeout; u32 ip_type; u32 ip_instance; u32 ring; u32 ctx_id"
)
WAIT_CS_OUT = Struct("drm_amdgpu_wait_cs_out", "u64 status")
FENCE = Struct("drm_amdgpu_fence", "u32 ctx_id; u32 ip_type; u32 ip_instance; u32 ring; u64 seq_no")
WAIT_FENCES_IN = Struct("drm_amdgpu_wait_fences_in", "u64 fences; u32 fence_count; u32 wait_all; u64 timeout_ns")
WAIT_FENCES_OUT = Struct("drm_amdgpu_wait_fences_out", "u32 status; u32 first_signaled")
VM_IN = Struct("drm_amdgpu_vm_in", "u32 op; u32 flags")
# FENCE_TO_HANDLE with its leading struct drm_amdgpu_fence spelled out.
FENCE_TO_HANDLE_IN = Struct(
    "drm_amdgpu_fence_to_handle_in",
    "u32 ctx_id; u32 ip_type; u32 ip_instance; u32 ring; u64 seq_no; u32 what; u32 pad",
)
FENCE_TO_HANDLE_OUT = Struct("drm_amdgpu_fence_to_handle_out", "u32 handle")
SCHED_IN = Struct("drm_amdgpu_sched_in", "u32 op; u32 fd; s32 priority; u32 ctx_id")
USERQ_IN = Struct(
    "drm_amdgpu_userq_in",
    "u32 op; u32 queue_id; u32 ip_type; u32 doorbell_handle; u32 doorbell_offset; u32 flags; u64 queue_va;"
    "u64 queue_size; u64 rptr_va; u64 wptr_va; u64 mqd; u64 mqd_size",
)
USERQ_OUT = Struct("drm_amdgpu_userq_out", "u32 queue_id; u32 _pad")
USERQ_MQD_COMPUTE_GFX11 = Struct("drm_amdgpu_userq_mqd_compute_gfx11", "u64 eop_va")
USERQ_SIGNAL = Struct(
    "drm_amdgpu_userq_signal",
    "u32 queue_id; u32 pad; u64 syncobj_handles; u64 num_syncobj_handles; u64 bo_read_handles;"
    "u64 bo_write_handles; u32 num_bo_read_handles; u32 num_bo_write_handles",
)
USERQ_WAIT = Struct(
    "drm_amdgpu_userq_wait",
    "u32 waitq_id; u32 pad; u64 syncobj_handles; u64 syncobj_timeline_handles; u64 syncobj_timeline_points;"
    "u64 bo_read_handles; u64 bo_write_handles; u16 num_syncobj_timeline_handles; u16 num_fences;"
    "u32 num_syncobj_handles; u32 num_bo_read_handles; u32 num_bo_write_handles; u64 out_fences",
)
INFO = Struct(
    "drm_amdgpu_info",
    # The last four words are a union in the header; its members are in amdgpu_info.py.
    "u64 return_pointer; u32 return_size; u32 query; u32 arg0; u32 arg1; u32 arg2; u32 arg3",
)

IOCTL_AMDGPU_GEM_CREATE = iowr("DRM_IOCTL_AMDGPU_GEM_CREATE", "d", 0x40, GEM_CREATE_IN)
IOCTL_AMDGPU_GEM_MMAP = iowr("DRM_IOCTL_AMDGPU_GEM_MMAP", "d", 0x41, GEM_MMAP_IN)
IOCTL_AMDGPU_CTX = iowr("DRM_IOCTL_AMDGPU_CTX", "d", 0x42, CTX_IN)
IOCTL_AMDGPU_BO_LIST = iowr("DRM_IOCTL_AMDGPU_BO_LIST", "d", 0x43, BO_LIST_IN)
IOCTL_AMDGPU_CS = iowr("DRM_IOCTL_AMDGPU_CS", "d", 0x44, CS_IN)
IOCTL_AMDGPU_INFO = iow("DRM_IOCTL_AMDGPU_INFO", "d", 0x45, INFO)
IOCTL_AMDGPU_GEM_METADATA = iowr("DRM_IOCTL_AMDGPU_GEM_METADATA", "d", 0x46, GEM_METADATA)
IOCTL_AMDGPU_GEM_WAIT_IDLE = iowr("DRM_IOCTL_AMDGPU_GEM_WAIT_IDLE", "d", 0x47, GEM_WAIT_IDLE_IN)
# libdrm sends GEM_VA through drmCommandWriteRead, i.e. with both directions; the kernel's table has _IOW.
IOCTL_AMDGPU_GEM_VA = iowr("DRM_IOCTL_AMDGPU_GEM_VA", "d", 0x48, GEM_VA, kernel_only_reads=True)
IOCTL_AMDGPU_WAIT_CS = iowr("DRM_IOCTL_AMDGPU_WAIT_CS", "d", 0x49, WAIT_CS_IN)
IOCTL_AMDGPU_GEM_OP = iowr("DRM_IOCTL_AMDGPU_GEM_OP", "d", 0x50, GEM_OP)
IOCTL_AMDGPU_GEM_USERPTR = iowr("DRM_IOCTL_AMDGPU_GEM_USERPTR", "d", 0x51, GEM_USERPTR)
IOCTL_AMDGPU_WAIT_FENCES = iowr("DRM_IOCTL_AMDGPU_WAIT_FENCES", "d", 0x52, WAIT_FENCES_IN)
IOCTL_AMDGPU_VM = iowr("DRM_IOCTL_AMDGPU_VM", "d", 0x53, VM_IN)
IOCTL_AMDGPU_FENCE_TO_HANDLE = iowr("DRM_IOCTL_AMDGPU_FENCE_TO_HANDLE", "d", 0x54, FENCE_TO_HANDLE_IN)
IOCTL_AMDGPU_SCHED = iow("DRM_IOCTL_AMDGPU_SCHED", "d", 0x55, SCHED_IN)
IOCTL_AMDGPU_USERQ = iowr("DRM_IOCTL_AMDGPU_USERQ", "d", 0x56, USERQ_IN)
IOCTL_AMDGPU_USERQ_SIGNAL = iowr("DRM_IOCTL_AMDGPU_USERQ_SIGNAL", "d", 0x57, USERQ_SIGNAL)
IOCTL_AMDGPU_USERQ_WAIT = iowr("DRM_IOCTL_AMDGPU_USERQ_WAIT", "d", 0x58, USERQ_WAIT)
IOCTL_AMDGPU_PROC_OPTIONS = iowr("DRM_IOCTL_AMDGPU_PROC_OPTIONS", "d", 0x5A, PROC_OPTIONS)
AMDGPU_PROC_OPTIONS_OP_KFD_SIGBUS_DELAY = 0
IOCTL_AMDGPU_GEM_LIST_HANDLES = iowr("DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES", "d", 0x59, GEM_LIST_HANDLES)
