# SPDX-License-Identifier: MIT
"""What a client uses of a GPU, as /proc/PID/fdinfo/N tells it (amdgpu_fdinfo.c, amdgpu_ctx_mgr_usage).

Page tables take no memory in the model, so that a client's VRAM is here what its buffers take.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import amdgpu_ctx_mgr_usage
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import amdgpu_vm_is_bo_always_valid
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_find
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import TTM_PL_TT, TTM_PL_VRAM
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.variants import Variant

__all__ = ("amdgpu_show_fdinfo",)

_KIB = 1024
_SEQ64_SIZE = 2 << 20
"""Bytes of the driver's own memory that every address space has mapped (AMDGPU_VA_RESERVED_SEQ64_SIZE)."""

_IP_NAMES = {
    drm.AMDGPU_HW_IP_GFX: "gfx",
    drm.AMDGPU_HW_IP_COMPUTE: "compute",
    drm.AMDGPU_HW_IP_DMA: "dma",
}

_REGIONS = {
    drm.AMDGPU_GEM_DOMAIN_CPU: "cpu",
    drm.AMDGPU_GEM_DOMAIN_GTT: "gtt",
    drm.AMDGPU_GEM_DOMAIN_VRAM: "vram",
    drm.AMDGPU_GEM_DOMAIN_GDS: "gds",
    drm.AMDGPU_GEM_DOMAIN_GWS: "gws",
    drm.AMDGPU_GEM_DOMAIN_OA: "oa",
    drm.AMDGPU_GEM_DOMAIN_DOORBELL: "doorbell",
    drm.AMDGPU_GEM_DOMAIN_MMIO_REMAP: "mmioremap",
}
"""Domain -> region, in the order of the kernel's placements."""


@dataclass(slots=True)
class _MemStats:
    """`struct amdgpu_mem_stats` of one region, in bytes."""

    shared: int = 0
    private: int = 0
    resident: int = 0
    purgeable: int = 0
    evicted: int = 0


def amdgpu_show_fdinfo(dev: DrmDevice, filp: DrmFile) -> str:
    """Return the driver's lines of a file's fdinfo.

    Leaves out: the memory of page tables, which take none, and the doorbell and MMIO regions.
    """
    fpriv: AmdgpuFpriv = filp.driver_priv
    lines = [f"pasid:\t{fpriv.vm.pasid}"]
    if fpriv.adev.variant.has_fdinfo_regions:
        lines += _regions(filp, fpriv.adev.variant)
    else:
        lines += _legacy(filp, fpriv.vm, fpriv.adev.variant)
    usage = amdgpu_ctx_mgr_usage(fpriv.ctx_mgr)
    lines += [f"drm-engine-{name}:\t{usage[ip]} ns" for ip, name in _IP_NAMES.items() if usage.get(ip)]
    return "".join(f"{line}\n" for line in lines)


def _bos(filp: DrmFile) -> Iterator[AmdgpuBo]:
    """The buffers of the file's address space: every one that it has a handle of, once."""
    bos = {obj: None for _, obj in filp.object_idr.items() if isinstance(obj, AmdgpuBo)}
    yield from bos


def _is_shared(bo: AmdgpuBo) -> bool:
    return bo.handle_count > 1 or bo.dma_buf is not None  # drm_gem_object_is_shared_for_memory_stats


def _placement(bo: AmdgpuBo) -> int:
    """The domain a buffer is asked to be in; the highest of several (amdgpu_bo_mem_stats_placement)."""
    domain = 1 << bo.preferred_domains.bit_length() - 1 if bo.preferred_domains else 0
    return domain if domain in _REGIONS else drm.AMDGPU_GEM_DOMAIN_CPU


def _regions(filp: DrmFile, variant: Variant) -> Iterator[str]:
    stats = {domain: _MemStats() for domain in _REGIONS}
    for bo in _bos(filp):
        wanted, found = stats[_placement(bo)], stats[bo.domain]
        if _is_shared(bo):
            wanted.shared += bo.size
        else:
            wanted.private += bo.size
        found.resident += bo.size
        if bo.flags & drm.AMDGPU_GEM_CREATE_DISCARDABLE:
            found.purgeable += bo.size
        if not bo.in_preferred_domain:
            wanted.evicted += bo.size
    if variant.maps_seq64:
        gtt = stats[drm.AMDGPU_GEM_DOMAIN_GTT]
        gtt.private += _SEQ64_SIZE
        gtt.resident += _SEQ64_SIZE
    for domain, name in _REGIONS.items():
        region = stats[domain]
        yield _size("total", name, region.shared + region.private)
        yield _size("shared", name, region.shared)
        yield _size("resident", name, region.resident)
        yield _size("purgeable", name, region.purgeable)
    vram, gtt, cpu = (
        stats[domain] for domain in (drm.AMDGPU_GEM_DOMAIN_VRAM, drm.AMDGPU_GEM_DOMAIN_GTT, drm.AMDGPU_GEM_DOMAIN_CPU)
    )
    # The keys from before there were regions.
    yield f"drm-memory-vram:\t{vram.resident // _KIB} KiB"
    yield f"drm-memory-gtt: \t{gtt.resident // _KIB} KiB"
    yield f"drm-memory-cpu: \t{cpu.resident // _KIB} KiB"
    yield f"amd-evicted-vram:\t{vram.evicted // _KIB} KiB"
    yield f"amd-requested-vram:\t{(vram.shared + vram.private) // _KIB} KiB"
    yield f"amd-requested-gtt:\t{(gtt.shared + gtt.private) // _KIB} KiB"


def _size(stat: str, region: str, size: int) -> str:
    """One line in the largest unit that divides the size (drm_fdinfo_print_size)."""
    unit = ""
    for larger in (" KiB", " MiB"):
        if not size or size % _KIB:
            break
        size //= _KIB
        unit = larger
    return f"drm-{stat}-{region}:\t{size}{unit}"


def _is_on_a_list(vm: AmdgpuVm, bo: AmdgpuBo) -> bool:
    """Whether `amdgpu_vm_get_memory` finds a buffer: what was never mapped nor submitted is on no list of the VM."""
    bo_va = amdgpu_vm_bo_find(vm, bo)
    return bo_va is not None and (bo_va.is_listed or amdgpu_vm_is_bo_always_valid(vm, bo))


def _legacy(filp: DrmFile, vm: AmdgpuVm, variant: Variant) -> Iterator[str]:
    """The lines of kernels before 6.14 (amdgpu_bo_get_memory)."""
    used = dict.fromkeys(("vram", "gtt", "cpu"), 0)
    shared, requested = dict(used), dict(used)
    visible = evicted = evicted_visible = requested_visible = 0
    for bo in _bos(filp):
        if not _is_on_a_list(vm, bo):
            continue
        region = {TTM_PL_VRAM: "vram", TTM_PL_TT: "gtt"}.get(bo.resource.mem_type, "cpu")
        wants_cpu = bo.flags & drm.AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED
        used[region] += bo.size
        if _is_shared(bo):
            shared[region] += bo.size
        if region == "vram" and bo.cpu_visible:
            visible += bo.size
        if bo.preferred_domains & drm.AMDGPU_GEM_DOMAIN_VRAM:
            requested["vram"] += bo.size
            requested_visible += bo.size if wants_cpu else 0
            evicted += bo.size if region != "vram" else 0
            evicted_visible += bo.size if region != "vram" and wants_cpu else 0
        elif bo.preferred_domains & drm.AMDGPU_GEM_DOMAIN_GTT:
            requested["gtt"] += bo.size
    if variant.maps_seq64:
        used["gtt"] += _SEQ64_SIZE
        requested["gtt"] += _SEQ64_SIZE
    yield f"drm-memory-vram:\t{used['vram'] // _KIB} KiB"
    yield f"drm-memory-gtt: \t{used['gtt'] // _KIB} KiB"
    yield f"drm-memory-cpu: \t{used['cpu'] // _KIB} KiB"
    if not variant.has_fdinfo_requests:
        return
    yield f"amd-memory-visible-vram:\t{visible // _KIB} KiB"
    yield f"amd-evicted-vram:\t{evicted // _KIB} KiB"
    yield f"amd-evicted-visible-vram:\t{evicted_visible // _KIB} KiB"
    yield f"amd-requested-vram:\t{requested['vram'] // _KIB} KiB"
    yield f"amd-requested-visible-vram:\t{requested_visible // _KIB} KiB"
    yield f"amd-requested-gtt:\t{requested['gtt'] // _KIB} KiB"
    for region, size in shared.items():
        yield f"drm-shared-{region}:\t{size // _KIB} KiB"
