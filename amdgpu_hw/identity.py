# SPDX-License-Identifier: MIT
"""What a GPU is: names, versions of its blocks, memory, the limits of its address space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amdgpu_hw.discovery import GpuNode
from amdgpu_hw.libdrm.device import AmdgpuDeviceHandle
from amdgpu_hw.packets.engine import Engine
from amdgpu_hw.uapi import amdgpu_info as info

__all__ = ("GpuIdentity", "IpVersion")

_GENERIC_NAME = "AMD Radeon Graphics"  # what amdgpu_get_marketing_name says when its table has no entry

IpVersion = tuple[int, int, int]
"""Major, minor, revision of a hardware block."""


@dataclass(frozen=True, slots=True)
class GpuIdentity:
    """Facts about one GPU that do not change while it is open."""

    name: str
    """The product's name (libdrm's amdgpu.ids; udev's hardware database for GPUs that libdrm is too old for)."""
    node: str
    primary_node: str | None
    pci_address: str
    device_id: int
    pci_rev: int
    family: int
    """AMDGPU_FAMILY_*."""
    external_rev: int
    gc_version: IpVersion
    """Graphics core, (11, 0, 0) for Navi 31. The revision is 0 on kernels before driver version 3.48."""
    sdma_version: IpVersion
    driver_version: tuple[int, int]
    """amdgpu's (major, minor); informative only, see `Capabilities` for what the kernel can do."""
    is_apu: bool
    is_virtual_function: bool
    """A part of a card that a hypervisor gives away (SR-IOV), as driver version 3.62 and later say."""
    vram_size: int
    """Bytes."""
    visible_vram_size: int
    """Bytes that the CPU can map."""
    gtt_size: int
    """Bytes."""
    va_start: int
    va_end: int
    """The low half of the address space: first address, and the first one behind it."""
    high_va_start: int
    high_va_end: int
    """The high half; both 0 before GFX9."""
    pte_fragment_size: int
    """Bytes that the driver likes to map at once (2 MiB where huge entries are used)."""
    counter_khz: int
    """Frequency of the GPU's clock counter."""

    @property
    def generation(self) -> str:
        """``GFX9.4``, ``GFX10.3``, ``GFX11``."""
        major, minor, _ = self.gc_version
        return f"GFX{major}.{minor}" if minor else f"GFX{major}"

    def __str__(self) -> str:
        versions = "GC {}.{}.{}, SDMA {}.{}.{}".format(*self.gc_version, *self.sdma_version)
        return f"{self.name} at {self.pci_address} ({versions})"


def read_identity(device: AmdgpuDeviceHandle, node: GpuNode) -> GpuIdentity:
    """Ask an open GPU what it is."""
    dev_info = info.INFO_DEVICE.as_dict(device.query_info(info.AMDGPU_INFO_DEV_INFO, info.INFO_DEVICE.size))
    memory = device.query_info(info.AMDGPU_INFO_MEMORY, info.MEMORY_INFO_SIZE)
    vram, visible, gtt = (
        info.HEAP_INFO.as_dict(memory, index * info.HEAP_INFO.size)["total_heap_size"] for index in range(3)
    )
    # GPUs without a graphics ring (CDNA 3) still have a graphics core: ask for the one their compute rings are in.
    gfx, compute = device.hw_ip_info(Engine.GFX), device.hw_ip_info(Engine.COMPUTE)
    return GpuIdentity(
        name=_name(device.marketing_name(), node.model),
        node=node.node,
        primary_node=node.primary_node,
        pci_address=node.pci_address,
        device_id=dev_info["device_id"],
        pci_rev=dev_info["pci_rev"],
        family=dev_info["family"],
        external_rev=dev_info["external_rev"],
        gc_version=ip_version(gfx if gfx["hw_ip_version_major"] else compute),
        sdma_version=ip_version(device.hw_ip_info(Engine.SDMA)),
        driver_version=device.version,
        is_apu=bool(dev_info["ids_flags"] & info.AMDGPU_IDS_FLAGS_FUSION),
        is_virtual_function=_mode(dev_info["ids_flags"]) == info.AMDGPU_IDS_FLAGS_MODE_VF,
        vram_size=vram,
        visible_vram_size=visible,
        gtt_size=gtt,
        va_start=dev_info["virtual_address_offset"],
        va_end=dev_info["virtual_address_max"],
        high_va_start=dev_info["high_va_offset"],
        high_va_end=dev_info["high_va_max"],
        pte_fragment_size=dev_info["pte_fragment_size"],
        counter_khz=dev_info["gpu_counter_freq"],
    )


def _mode(ids_flags: int) -> int:
    return (ids_flags & info.AMDGPU_IDS_FLAGS_MODE_MASK) >> info.AMDGPU_IDS_FLAGS_MODE_SHIFT


def _name(marketing_name: str, model: str) -> str:
    unknown = marketing_name in ("", _GENERIC_NAME)
    return model or marketing_name if unknown else marketing_name


def ip_version(hw_ip: dict[str, Any]) -> IpVersion:
    """The version in a HW_IP_INFO answer: the discovery table's where there is one, else without revision."""
    discovered = hw_ip["ip_discovery_version"]
    if discovered:
        return discovered >> 16 & 0xFF, discovered >> 8 & 0xFF, discovered & 0xFF
    return hw_ip["hw_ip_version_major"], hw_ip["hw_ip_version_minor"], 0
