# SPDX-License-Identifier: MIT
"""What /sys and the udev database say about the mock devices, as umockdev device descriptions.

A description is text: one block per device, a line per fact. ``P:`` its path below /sys, ``N:`` its node below
/dev, ``E:`` a udev property, ``A:`` a text attribute, ``H:`` a binary one in hex, ``L:`` a symbolic link.
Everything derives from the `ModelIdentity`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from amdgpu_hw.gpu_model.gpus.identity import ModelIdentity
from amdgpu_hw.mock.pci import gpu_syspath, pci_address, root_port_syspath
from amdgpu_hw.mock.variants import VgemBus
from amdgpu_hw.uapi.drm import DRM_MAJOR, DRM_MINOR_RENDER_BASE

__all__ = (
    "describe_class_device",
    "describe_gpu",
    "describe_gpu_nodes",
    "describe_root_port",
    "describe_vgem",
    "driver_attributes",
    "node_path",
    "node_syspath",
    "vgem_syspath",
)

_ROOT_PORT_VENDOR, _ROOT_PORT_DEVICE, _ROOT_PORT_CLASS = 0x1022, 0x1483, 0x060400
"""A port of AMD's processors of 2019 (pci.ids: Starship/Matisse GPP Bridge)."""

_DEFAULT_LINK_SPEED = {0: 2.5, 1: 2.5, 2: 5.0, 3: 8.0, 4: 16.0, 5: 32.0}


def node_path(minor: int) -> str:
    """Device node of a DRM minor, e.g. ``/dev/dri/renderD128``."""
    return f"/dev/dri/{_node_name(minor)}"


def node_syspath(parent: str, minor: int) -> str:
    """Path below /sys of the node's device that belongs to the device at ``parent``."""
    return f"{parent}/drm/{_node_name(minor)}"


def describe_gpu(identity: ModelIdentity, index: int, card_minor: int, render_minor: int) -> str:
    """Describe the PCI device of GPU ``index`` and its primary and render nodes."""
    parent = _block(
        gpu_syspath(index).removeprefix("/sys"),
        properties=_pci_properties(identity, pci_address(index)),
        attributes=_pci_attributes(identity, index) | driver_attributes(identity),
        binary={"config": _pci_config(identity)},
        links={"driver": "../../../../bus/pci/drivers/amdgpu"},
    )
    return f"{parent}\n{describe_gpu_nodes(index, card_minor, render_minor)}"


def describe_gpu_nodes(index: int, card_minor: int, render_minor: int) -> str:
    """Describe the primary and the render node of GPU ``index``."""
    address = pci_address(index)
    properties = {"ID_PATH": f"pci-{address}", "ID_PATH_TAG": f"pci-{address.replace(':', '_')}"}
    path = gpu_syspath(index).removeprefix("/sys")
    return "\n".join(_drm_node(path, minor, properties) for minor in (card_minor, render_minor))


def driver_attributes(identity: ModelIdentity) -> dict[str, str]:
    """Files that amdgpu adds to its device: memory managers (amdgpu_vram_mgr.c, amdgpu_gtt_mgr.c), power management."""
    memory, clocks, sensors = identity.memory, identity.clocks, identity.sensors
    numbers = {
        "mem_info_vram_total": memory.vram,
        "mem_info_vram_used": memory.all_vram_pinned,
        "mem_info_vis_vram_total": memory.visible_vram,
        "mem_info_vis_vram_used": memory.vram_pinned,
        "mem_info_gtt_total": memory.gtt,
        "mem_info_gtt_used": memory.gtt_pinned,
        "mem_info_preempt_used": 0,
        "gpu_busy_percent": sensors.load,
        "mem_busy_percent": 0,
    }
    texts = {
        "mem_info_vram_vendor": memory.vendor,
        "vbios_version": identity.chip.vbios,
        "power_dpm_state": "performance",
        "power_dpm_force_performance_level": "auto",
        "pp_dpm_sclk": _dpm_levels(clocks.engine),
        "pp_dpm_mclk": _dpm_levels(clocks.memory),
    }
    return {name: f"{value}\n" for name, value in (numbers | texts).items()}


def describe_root_port(index: int) -> str:
    """Describe the port that GPU ``index`` is behind; it stays when the GPU is unplugged."""
    path = root_port_syspath(index).removeprefix("/sys")
    vendor, device, class_code = _ROOT_PORT_VENDOR, _ROOT_PORT_DEVICE, _ROOT_PORT_CLASS
    return _block(
        path,
        properties={
            "SUBSYSTEM": "pci",
            "DRIVER": "pcieport",
            "PCI_CLASS": f"{class_code:X}",
            "PCI_ID": f"{vendor:04X}:{device:04X}",
            "PCI_SLOT_NAME": path.rsplit("/", 1)[1],
        },
        attributes={
            "vendor": f"0x{vendor:04x}\n",
            "device": f"0x{device:04x}\n",
            "class": f"0x{class_code:06x}\n",
            "revision": "0x00\n",
        },
    )


def vgem_syspath(bus: VgemBus) -> str:
    """Path of vgem's device below /sys."""
    return f"/sys/devices/{bus.value}/vgem"


def describe_vgem(bus: VgemBus, card_minor: int, render_minor: int) -> str:
    """Describe vgem's device and its two nodes."""
    path = vgem_syspath(bus).removeprefix("/sys")
    if bus is VgemBus.PLATFORM:
        parent = _block(
            path,
            properties={"SUBSYSTEM": "platform", "MODALIAS": "platform:vgem", "DRIVER": "vgem"},
            attributes={"modalias": "platform:vgem\n"},
        )
        properties = {"ID_PATH": "platform-vgem"}
    else:
        # One driver for all devices (faux_driver of drivers/base/faux.c), no aliases; udev has no path for the bus.
        parent = _block(path, properties={"SUBSYSTEM": "faux", "DRIVER": "faux_driver"}, attributes={})
        properties = {}
    return "\n".join([parent, *(_drm_node(path, minor, properties) for minor in (card_minor, render_minor))])


def describe_class_device(path: str, subsystem: str, data: bytes) -> str:
    """Describe a device of a class with one binary attribute, ``data``; ``path`` begins with /sys."""
    return _block(path.removeprefix("/sys"), properties={"SUBSYSTEM": subsystem}, attributes={}, binary={"data": data})


def _node_name(minor: int) -> str:
    return f"renderD{minor}" if minor >= DRM_MINOR_RENDER_BASE else f"card{minor}"


def _drm_node(parent: str, minor: int, properties: dict[str, str]) -> str:
    name = _node_name(minor)
    kind = "render" if minor >= DRM_MINOR_RENDER_BASE else "card"
    own = {
        "SUBSYSTEM": "drm",
        "DEVTYPE": "drm_minor",
        "DEVNAME": f"/dev/dri/{name}",
        "MAJOR": str(DRM_MAJOR),
        "MINOR": str(minor),
    }
    if "ID_PATH" in properties:
        own["DEVLINKS"] = f"/dev/dri/by-path/{properties['ID_PATH']}-{kind}"
    return _block(
        node_syspath(parent, minor),
        node=f"dri/{name}",
        properties=own | properties,
        attributes={"dev": f"{DRM_MAJOR}:{minor}\n"},
        links={"device": f"../../../{parent.rsplit('/', 1)[1]}"},
    )


def _pci_properties(identity: ModelIdentity, address: str) -> dict[str, str]:
    pci = identity.pci
    return {
        "SUBSYSTEM": "pci",
        "DRIVER": "amdgpu",
        "PCI_CLASS": f"{pci.class_code:X}",
        "PCI_ID": f"{pci.vendor:04X}:{pci.device:04X}",
        "PCI_SUBSYS_ID": f"{pci.subsystem_vendor:04X}:{pci.subsystem_device:04X}",
        "PCI_SLOT_NAME": address,
        "MODALIAS": _modalias(identity),
        "ID_MODEL_FROM_DATABASE": identity.marketing_name,
        "ID_VENDOR_FROM_DATABASE": "Advanced Micro Devices, Inc. [AMD/ATI]",
    }


def _modalias(identity: ModelIdentity) -> str:
    pci = identity.pci
    base, sub, interface = pci.class_code >> 16, pci.class_code >> 8 & 0xFF, pci.class_code & 0xFF
    return (
        f"pci:v{pci.vendor:08X}d{pci.device:08X}sv{pci.subsystem_vendor:08X}sd{pci.subsystem_device:08X}"
        f"bc{base:02X}sc{sub:02X}i{interface:02X}"
    )


def _pci_attributes(identity: ModelIdentity, index: int) -> dict[str, str]:
    """Files of the PCI core."""
    pci = identity.pci
    speed = f"{_DEFAULT_LINK_SPEED[pci.gen]} GT/s PCIe\n"
    width = f"{pci.lanes or 16}\n"
    is_vga = pci.class_code >> 8 == 0x0300
    attributes = {
        "vendor": f"0x{pci.vendor:04x}\n",
        "device": f"0x{pci.device:04x}\n",
        "subsystem_vendor": f"0x{pci.subsystem_vendor:04x}\n",
        "subsystem_device": f"0x{pci.subsystem_device:04x}\n",
        "revision": f"0x{pci.revision:02x}\n",
        "class": f"0x{pci.class_code:06x}\n",
        "modalias": f"{_modalias(identity)}\n",
        "enable": "1\n",
        "numa_node": "-1\n",
        "current_link_speed": speed,
        "current_link_width": width,
        "max_link_speed": speed,
        "max_link_width": width,
        "power/control": "auto\n",
        "power/runtime_status": "active\n",
    }
    if is_vga:
        attributes["boot_vga"] = f"{int(index == 0)}\n"
    return attributes


def _dpm_levels(clocks: tuple[int, int]) -> str:
    """List the lowest and the highest level in MHz; the star marks the one in use, which is the lowest when idle."""
    lowest, highest = (clock // 1000 for clock in clocks)
    return f"0: {lowest}Mhz *\n1: {highest}Mhz"


def _pci_config(identity: ModelIdentity) -> bytes:
    """The standard header of configuration space, little endian, padded to 256 bytes."""
    pci = identity.pci
    header = bytearray(256)
    fields = (
        (0x00, pci.vendor, 2),
        (0x02, pci.device, 2),
        (0x04, 0x0407, 2),  # command: I/O, memory, bus master, no INTx
        (0x06, 0x0010, 2),  # status: has a capability list
        (0x08, pci.revision, 1),
        (0x09, pci.class_code, 3),
        (0x2C, pci.subsystem_vendor, 2),
        (0x2E, pci.subsystem_device, 2),
    )
    for offset, value, size in fields:
        header[offset : offset + size] = value.to_bytes(size, "little")
    return bytes(header)


def _block(
    path: str,
    *,
    node: str | None = None,
    properties: Mapping[str, str],
    attributes: Mapping[str, str],
    binary: Mapping[str, bytes] | None = None,
    links: Mapping[str, str] | None = None,
) -> str:
    """Spell one device; umockdev wants newlines in attributes escaped."""
    lines = [f"P: {path}"]
    if node is not None:
        lines.append(f"N: {node}")
    lines += _lines("E", properties.items())
    lines += _lines("A", ((k, v.replace("\\", "\\\\").replace("\n", "\\n")) for k, v in attributes.items()))
    lines += _lines("H", ((k, v.hex().upper()) for k, v in (binary or {}).items()))
    lines += _lines("L", (links or {}).items())
    return "\n".join(lines) + "\n"


def _lines(tag: str, items: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{tag}: {key}={value}" for key, value in items]
