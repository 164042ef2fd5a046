# SPDX-License-Identifier: MIT
"""The queries of AMDGPU_INFO, one small function each: the switch of amdgpu_info_ioctl (amdgpu_kms.c).

A query function gets the device, the asking file and the four words of the request's union, and returns the
whole reply; `amdgpu_info_ioctl` cuts it to what the caller asked for. KERNEL.md 2.9 lists the replies.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import amdgpu_ctx_num_entities
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import amdgpu_ring_max_ibs
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ttm import AMDGPU_VM_RESERVED_VRAM
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import amdgpu_info as info

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv

__all__ = ("INFO_QUERIES", "InfoQuery")

InfoQuery: TypeAlias = Callable[["AmdgpuDevice", "AmdgpuFpriv", int, int, int, int], bytes]

_u32 = struct.Struct("<I").pack
_u64 = struct.Struct("<Q").pack

_MM_IP_BLOCKS = range(drm.AMDGPU_HW_IP_UVD, drm.AMDGPU_HW_IP_NUM)
"""Video and VPE engines: no mock GPU has one, so they are absent as on a GPU without them."""

# IB start and size alignment in bytes, by IP (amdgpu_hw_ip_info).
_IB_ALIGNMENT = {
    drm.AMDGPU_HW_IP_GFX: (32, 32),
    drm.AMDGPU_HW_IP_COMPUTE: (32, 32),
    drm.AMDGPU_HW_IP_DMA: (256, 4),
}

_USERQ_SLOTS = 8
"""Hardware queues of compute that are left to the scheduler firmware."""

FIRMWARE = {
    info.AMDGPU_INFO_FW_VCE: "vce",
    info.AMDGPU_INFO_FW_UVD: "uvd",
    info.AMDGPU_INFO_FW_GMC: "gmc",
    info.AMDGPU_INFO_FW_GFX_ME: "me",
    info.AMDGPU_INFO_FW_GFX_PFP: "pfp",
    info.AMDGPU_INFO_FW_GFX_CE: "ce",
    info.AMDGPU_INFO_FW_GFX_RLC: "rlc",
    info.AMDGPU_INFO_FW_GFX_MEC: "mec",
    info.AMDGPU_INFO_FW_SMC: "smc",
    info.AMDGPU_INFO_FW_SDMA: "sdma",
    info.AMDGPU_INFO_FW_SOS: "sos",
    info.AMDGPU_INFO_FW_ASD: "asd",
    info.AMDGPU_INFO_FW_VCN: "vcn",
    info.AMDGPU_INFO_FW_GFX_RLC_RESTORE_LIST_CNTL: "rlc_srlc",
    info.AMDGPU_INFO_FW_GFX_RLC_RESTORE_LIST_GPM_MEM: "rlc_srlg",
    info.AMDGPU_INFO_FW_GFX_RLC_RESTORE_LIST_SRM_MEM: "rlc_srls",
    info.AMDGPU_INFO_FW_DMCU: "dmcu",
    info.AMDGPU_INFO_FW_TA: "ta",
    info.AMDGPU_INFO_FW_DMCUB: "dmcub",
    info.AMDGPU_INFO_FW_TOC: "toc",
    info.AMDGPU_INFO_FW_CAP: "cap",
    info.AMDGPU_INFO_FW_GFX_RLCP: "rlcp",
    info.AMDGPU_INFO_FW_GFX_RLCV: "rlcv",
    info.AMDGPU_INFO_FW_MES_KIQ: "mes_kiq",
    info.AMDGPU_INFO_FW_MES: "mes",
    info.AMDGPU_INFO_FW_IMU: "imu",
    info.AMDGPU_INFO_FW_VPE: "vpe",
}
"""Firmware type -> key in the ``[firmware]`` table of a GPU's file."""

_TA_TYPES = range(2, 8)
"""Trusted applications by index, `enum ta_fw_type`: XGMI .. SECUREDISPLAY."""


def _accel_working(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    return _u32(adev.accel_working)


def _crtc_from_id(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, crtc: int, *_: int) -> bytes:
    raise KernelError(errno.EINVAL, f"there is no CRTC {crtc}: mock GPUs have no display")


def _hw_ip_info(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, ip: int, instance: int, *_: int) -> bytes:
    size = adev.variant.hw_ip_info_size
    if instance >= drm.AMDGPU_HW_IP_INSTANCE_MAX_COUNT or ip >= drm.AMDGPU_HW_IP_NUM:
        raise KernelError(errno.EINVAL)
    if ip in _MM_IP_BLOCKS:
        return bytes(size)
    block = adev.identity.sdma if ip == drm.AMDGPU_HW_IP_DMA else adev.identity.gc
    rings = sum(not ring.no_user_submission for ring in adev.rings if ring.hw_ip == ip)
    start_alignment, size_alignment = _IB_ALIGNMENT[ip]
    reply = info.INFO_HW_IP.pack(
        hw_ip_version_major=block.block[0],
        hw_ip_version_minor=block.block[1],
        ib_start_alignment=start_alignment,
        ib_size_alignment=size_alignment,
        available_rings=(1 << min(amdgpu_ctx_num_entities[ip], rings)) - 1,
        ip_discovery_version=block.discovery_version,
        userq_num_slots=_USERQ_SLOTS if adev.userq_ip_mask >> ip & 1 else 0,
    )
    return reply[:size]


def _hw_ip_count(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, ip: int, *_: int) -> bytes:
    if adev.variant.counts_ip_blocks and ip < adev.variant.hw_ip_num:
        return _u32(ip not in _MM_IP_BLOCKS)
    if ip in (drm.AMDGPU_HW_IP_GFX, drm.AMDGPU_HW_IP_COMPUTE):
        return _u32(adev.identity.topology.xcc)
    if ip == drm.AMDGPU_HW_IP_DMA:
        return _u32(adev.identity.sdma.instances)
    raise KernelError(errno.EINVAL, f"no IP block {ip}")


def _timestamp(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    return _u64(adev.gpu_clock_counter())


def _fw_version(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, fw: int, instance: int, index: int, _: int) -> bytes:
    name = FIRMWARE.get(fw)
    if instance != 0 or name is None:
        raise KernelError(errno.EINVAL)
    if name == "mec" and index > 1:
        raise KernelError(errno.EINVAL, "there are two MECs")
    if name == "sdma" and index >= adev.identity.sdma.instances:
        raise KernelError(errno.EINVAL, f"there is no SDMA engine {index}")
    if name == "ta" and index not in _TA_TYPES:
        raise KernelError(errno.EINVAL)
    version, feature = adev.identity.firmware.get(name, (0, 0))
    return info.INFO_FIRMWARE.pack(ver=version, feature=feature)


def _num_bytes_moved(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    return _u64(adev.num_bytes_moved)


def _num_evictions(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    return _u64(adev.num_evictions)


def _num_vram_cpu_page_faults(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    return _u64(adev.mman.num_vram_cpu_page_faults)


def _vram_usage(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    return _u64(adev.mman.vram_usage)


def _vis_vram_usage(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    return _u64(adev.mman.vis_vram_usage)


def _gtt_usage(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    return _u64(adev.mman.gtt_usage)


def _gds_config(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    gds = adev.identity.gds
    return info.INFO_GDS.pack(
        compute_partition_size=gds.size,
        gds_total_size=gds.size,
        gws_per_compute_partition=gds.gws,
        oa_per_compute_partition=gds.oa,
    )


def _usable_heaps(adev: AmdgpuDevice) -> tuple[int, int, int]:
    """VRAM, CPU-visible VRAM and GTT, in bytes, less what the driver itself has pinned."""
    memory = adev.identity.memory
    vram = memory.vram - memory.all_vram_pinned - AMDGPU_VM_RESERVED_VRAM
    visible = min(memory.visible_vram - memory.vram_pinned, vram)
    return vram, visible, memory.gtt - memory.gtt_pinned


def _vram_gtt(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    vram, visible, gtt = _usable_heaps(adev)
    return info.INFO_VRAM_GTT.pack(vram_size=vram, vram_cpu_accessible_size=visible, gtt_size=gtt)


def _memory(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    memory = adev.identity.memory
    totals = (memory.vram, memory.visible_vram, memory.gtt)
    usages = (adev.mman.vram_usage, adev.mman.vis_vram_usage, adev.mman.gtt_usage)
    return b"".join(
        info.HEAP_INFO.pack(
            total_heap_size=total, usable_heap_size=usable, heap_usage=usage, max_allocation=usable * 3 // 4
        )
        for total, usable, usage in zip(totals, _usable_heaps(adev), usages, strict=True)
    )


def _read_mmr_reg(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, offset: int, count: int, instance: int, _: int) -> bytes:
    if adev.in_reset:
        raise KernelError(errno.ENOENT, "the GPU is being reset")
    engine = instance >> info.AMDGPU_INFO_MMR_SE_INDEX_SHIFT & info.AMDGPU_INFO_MMR_SE_INDEX_MASK
    array = instance >> info.AMDGPU_INFO_MMR_SH_INDEX_SHIFT & info.AMDGPU_INFO_MMR_SH_INDEX_MASK
    if engine != info.AMDGPU_INFO_MMR_SE_INDEX_MASK and engine >= _AMDGPU_GFX_MAX_SE:
        raise KernelError(errno.EINVAL)
    if array != info.AMDGPU_INFO_MMR_SH_INDEX_MASK and array >= _AMDGPU_GFX_MAX_SH_PER_SE:
        raise KernelError(errno.EINVAL)
    if count > 128:
        raise KernelError(errno.EINVAL)
    selector = instance & 0xFFFF
    values = [adev.read_register(offset + i, selector) for i in range(count)]
    return struct.pack(f"<{count}I", *values)


_AMDGPU_GFX_MAX_SE = 4
_AMDGPU_GFX_MAX_SH_PER_SE = 2


def _dev_info(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    return adev.dev_info[: adev.variant.dev_info_size]


def _vce_clock_table(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    return bytes(info.INFO_VCE_CLOCK_TABLE_SIZE)


def _vbios(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, kind: int, offset: int, *_: int) -> bytes:
    image = adev.vbios
    if kind == info.AMDGPU_INFO_VBIOS_SIZE:
        return _u32(len(image))
    if kind == info.AMDGPU_INFO_VBIOS_IMAGE:
        if offset >= len(image):
            raise KernelError(errno.EINVAL)
        return image[offset:]
    if kind == info.AMDGPU_INFO_VBIOS_INFO:
        part = adev.identity.chip.vbios.encode()
        return info.INFO_VBIOS.pack(
            name=adev.identity.codename.encode(),
            vbios_pn=part,
            vbios_ver_str=b"000.000.000.000.000000",
            date=b"2026/01/01 00:00",
        )
    raise KernelError(errno.EINVAL)


def _num_handles(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, ip: int, *_: int) -> bytes:
    # UVD handles are unlimited from Polaris on, the oldest GPU there is a model of.
    raise KernelError(errno.ENODATA if ip == drm.AMDGPU_HW_IP_UVD else errno.EINVAL)


def _sensor(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, kind: int, *_: int) -> bytes:
    value = adev.read_sensor(kind)
    if value is None:
        raise KernelError(errno.EINVAL, f"no sensor {kind}")
    return _u32(value)


def _vram_lost_counter(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    return _u32(adev.vram_lost_counter)


def _ras_enabled_features(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    raise KernelError(errno.EINVAL, "mock GPUs have no RAS")


def _video_caps(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, kind: int, *_: int) -> bytes:
    if kind not in (info.AMDGPU_INFO_VIDEO_CAPS_DECODE, info.AMDGPU_INFO_VIDEO_CAPS_ENCODE):
        raise KernelError(errno.EINVAL)
    return bytes(info.INFO_VIDEO_CAPS_CODECS * info.INFO_VIDEO_CODEC.size)


def _max_ibs(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    return struct.pack("<10I", *(amdgpu_ring_max_ibs(ip) for ip in range(drm.AMDGPU_HW_IP_NUM)))


def _gpuvm_fault(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, *_: int) -> bytes:
    address, status, vmhub = fpriv.vm.fault_info
    return info.INFO_GPUVM_FAULT.pack(addr=address, status=status, vmhub=vmhub)


def _uq_fw_areas(adev: AmdgpuDevice, fpriv: AmdgpuFpriv, ip: int, *_: int) -> bytes:
    if ip != drm.AMDGPU_HW_IP_GFX and not (
        adev.variant.tells_all_userq_areas and ip in (drm.AMDGPU_HW_IP_COMPUTE, drm.AMDGPU_HW_IP_DMA)
    ):
        raise KernelError(errno.EINVAL)
    shadow = _GFX_SHADOW.get(adev.identity.gc.version[0])
    if shadow is None:
        raise KernelError(errno.EOPNOTSUPP)
    if ip != drm.AMDGPU_HW_IP_GFX:
        # All kinds are members of one union, whose size is that of the largest.
        return struct.pack("<2I8x", *(_EOP if ip == drm.AMDGPU_HW_IP_COMPUTE else _SDMA_CSA))
    size, alignment, csa_size, csa_alignment = shadow
    return info.INFO_UQ_METADATA_GFX.pack(
        shadow_size=size, shadow_alignment=alignment, csa_size=csa_size, csa_alignment=csa_alignment
    )


_EOP = 2048, 256
"""GFX11_MEC_HPD_SIZE, GFX12_MEC_HPD_SIZE, and their alignment."""
_SDMA_CSA = 32, 4
"""SDMA6_CSA_SIZE and SDMA7_CSA_SIZE, and their alignment; the GPUs that have them are those with _GFX_SHADOW."""
# MQD_SHADOW_BASE_SIZE, .._ALIGNMENT, MQD_FWWORKAREA_SIZE, .._ALIGNMENT of gfx_v11_0.c and gfx_v12_0.c.
_GFX_SHADOW = {11: (73728, 256, 484, 256), 12: (73728, 256, 484, 256)}

INFO_QUERIES: dict[int, InfoQuery] = {
    info.AMDGPU_INFO_ACCEL_WORKING: _accel_working,
    info.AMDGPU_INFO_CRTC_FROM_ID: _crtc_from_id,
    info.AMDGPU_INFO_HW_IP_INFO: _hw_ip_info,
    info.AMDGPU_INFO_HW_IP_COUNT: _hw_ip_count,
    info.AMDGPU_INFO_TIMESTAMP: _timestamp,
    info.AMDGPU_INFO_FW_VERSION: _fw_version,
    info.AMDGPU_INFO_NUM_BYTES_MOVED: _num_bytes_moved,
    info.AMDGPU_INFO_VRAM_USAGE: _vram_usage,
    info.AMDGPU_INFO_GTT_USAGE: _gtt_usage,
    info.AMDGPU_INFO_GDS_CONFIG: _gds_config,
    info.AMDGPU_INFO_VRAM_GTT: _vram_gtt,
    info.AMDGPU_INFO_READ_MMR_REG: _read_mmr_reg,
    info.AMDGPU_INFO_DEV_INFO: _dev_info,
    info.AMDGPU_INFO_VIS_VRAM_USAGE: _vis_vram_usage,
    info.AMDGPU_INFO_NUM_EVICTIONS: _num_evictions,
    info.AMDGPU_INFO_MEMORY: _memory,
    info.AMDGPU_INFO_VCE_CLOCK_TABLE: _vce_clock_table,
    info.AMDGPU_INFO_VBIOS: _vbios,
    info.AMDGPU_INFO_NUM_HANDLES: _num_handles,
    info.AMDGPU_INFO_SENSOR: _sensor,
    info.AMDGPU_INFO_NUM_VRAM_CPU_PAGE_FAULTS: _num_vram_cpu_page_faults,
    info.AMDGPU_INFO_VRAM_LOST_COUNTER: _vram_lost_counter,
    info.AMDGPU_INFO_RAS_ENABLED_FEATURES: _ras_enabled_features,
    info.AMDGPU_INFO_VIDEO_CAPS: _video_caps,
    info.AMDGPU_INFO_MAX_IBS: _max_ibs,
    info.AMDGPU_INFO_GPUVM_FAULT: _gpuvm_fault,
    info.AMDGPU_INFO_UQ_FW_AREAS: _uq_fw_areas,
}
"""Query number -> function."""
