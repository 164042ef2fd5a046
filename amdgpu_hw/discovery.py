# SPDX-License-Identifier: MIT
"""Which amdgpu GPUs this machine has, through udev, and picking one of them."""

from __future__ import annotations

import errno
import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyudev

from amdgpu_hw.errors import DrmError, NodePermission, NoGpu, NotAmdgpu
from amdgpu_hw.libdrm import core
from amdgpu_hw.libdrm.device import AmdgpuDeviceHandle
from amdgpu_hw.node_permission import permission_advice
from amdgpu_hw.pci_gpus import udev, unusable_gpus

__all__ = ("NOT_IN_SYSFS", "GpuNode", "list_gpus", "open_node", "select_gpu")

NOT_IN_SYSFS = "not in sysfs"
"""What stands for the PCI address of a GPU of which there is a node alone."""

_NODES = "/dev/dri/renderD[0-9]*"
_PCI_ADDRESS = re.compile(r"(?:(?P<domain>[0-9a-f]{4,8}):)?(?P<rest>[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GpuNode:
    """One GPU as sysfs and udev describe it, without opening it."""

    node: str
    """The render node, e.g. ``/dev/dri/renderD128``."""
    primary_node: str | None
    """The primary node of the same GPU, e.g. ``/dev/dri/card0``."""
    pci_address: str
    """``0000:03:00.0``; for a partition that is no PCI device (XCP), the platform device's name."""
    pci_id: tuple[int, int]
    """PCI vendor and device."""
    model: str
    """The name in udev's hardware database; empty where udev has none."""

    @property
    def render_minor(self) -> int:
        """The number in the node's name, 128 for ``renderD128``."""
        return int(self.node.rpartition("renderD")[2])

    def __str__(self) -> str:
        return f"{self.node} ({self.pci_address}{', ' + self.model if self.model else ''})"


def list_gpus() -> list[GpuNode]:
    """All amdgpu render nodes of this machine, in the order of their numbers.

    Nothing is opened but nodes that sysfs does not know: a container may have a node without /sys. What sysfs knows
    and /dev has no node for is left out: a container may be given one of several GPUs.
    """
    drm_devices = list(udev().list_devices(subsystem="drm"))
    gpus = [_describe(device, drm_devices) for device in _amdgpu_devices() if os.path.exists(device.device_node)]
    known = {device.device_node for device in drm_devices}
    gpus += [_undescribed(path) for path in sorted(glob.glob(_NODES)) if path not in known and _is_amdgpu(path)]
    return sorted(gpus, key=lambda gpu: gpu.render_minor)


def _amdgpu_devices() -> list[pyudev.Device]:
    return [
        device
        for device in udev().list_devices(subsystem="drm")
        if device.sys_name.startswith("renderD") and device.device_node and _driver(device) == "amdgpu"
    ]


def _undescribed(path: str) -> GpuNode:
    return GpuNode(node=path, primary_node=None, pci_address=NOT_IN_SYSFS, pci_id=(0, 0), model="")


def _is_amdgpu(path: str) -> bool:
    try:
        os.close(open_node(path))
    except (NodePermission, NoGpu, NotAmdgpu):
        return False
    return True


def select_gpu(selector: str | None = None) -> GpuNode:
    """The GPU that a selector names, or the first one.

    A selector is a PCI address (``0000:03:00.0`` or ``03:00.0``), a device node (also a primary one or a symbolic
    link), a render number (``128``), or part of the GPU's name. Raises `NoGpu` with what there is instead.
    """
    gpus = list_gpus()
    if selector is None or not gpus:
        if not gpus:
            if selector is not None and selector.startswith("/"):
                _explain_node(selector)
            raise NoGpu(_why_none())
        return gpus[0]
    found = [gpu for gpu in gpus if _matches(gpu, selector)]
    if not found and selector.startswith("/dev/"):
        _explain_node(selector)
    if not found:
        found = [gpu for gpu in gpus if _plain(selector) and _plain(selector) in _plain(_marketing_name(gpu))]
    there = "; ".join(str(gpu) for gpu in gpus)
    if not found:
        raise NoGpu(f"no amdgpu GPU matches '{selector}': this machine has {there}")
    if len(found) > 1:
        several = " and ".join(gpu.pci_address for gpu in found)
        raise NoGpu(f"'{selector}' matches more than one GPU, {several}: name one by its PCI address")
    return found[0]


def open_node(path: str) -> int:
    """Open a device node for reading and writing, close-on-exec; the caller owns the descriptor.

    Raises `NodePermission`, `NotAmdgpu` or `NoGpu`, each saying what to do.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError as error:
        raise NodePermission(permission_advice(path, error.errno or errno.EACCES)) from error
    except OSError as error:
        raise NoGpu(f"cannot open {path}: {error.strerror}") from error
    try:
        driver = core.version(fd)
    except DrmError as error:
        os.close(fd)
        raise NotAmdgpu(f"{path} is not a DRM device node: give a render node such as /dev/dri/renderD128") from error
    if driver.name != "amdgpu":
        os.close(fd)
        raise NotAmdgpu(f"{path} belongs to the driver {driver.name}, not amdgpu: choose another node")
    return fd


def _describe(device: pyudev.Device, drm_devices: list[pyudev.Device]) -> GpuNode:
    parent = device.parent
    primary = [
        other.device_node
        for other in drm_devices
        if other.parent == parent and re.fullmatch(r"card\d+", other.sys_name) and other.device_node
    ]
    pci = parent if parent.subsystem == "pci" else device.find_parent("pci")
    vendor, _, product = (pci.properties.get("PCI_ID", "0:0") if pci is not None else "0:0").partition(":")
    model = pci.properties.get("ID_MODEL_FROM_DATABASE", "") if pci is not None else ""
    return GpuNode(
        node=device.device_node,
        primary_node=primary[0] if primary else None,
        pci_address=parent.sys_name,
        pci_id=(int(vendor, 16), int(product, 16)),
        model=model,
    )


def _driver(device: pyudev.Device) -> str:
    parent = device.parent
    if parent is None:
        return ""
    # Compute partitions of an MI300 are platform devices without a driver link (amdgpu_xcp_drv.c).
    return "amdgpu" if parent.sys_name.startswith("amdgpu_xcp") else parent.driver or ""


def _matches(gpu: GpuNode, selector: str) -> bool:
    address = _PCI_ADDRESS.fullmatch(selector)
    if address:
        return gpu.pci_address.lower() == f"{address['domain'] or '0000'}:{address['rest']}".lower()
    if selector.isdecimal():
        return gpu.render_minor == int(selector)
    if selector.startswith("/"):
        return os.path.realpath(selector) in (gpu.node, gpu.primary_node)
    name = _plain(selector)
    return bool(name) and (name in _plain(gpu.model) or name == _plain(os.path.basename(gpu.node)))


def _plain(name: str) -> str:
    """Letters and digits in lower case, so that ``navi31`` finds ``Navi 31 [Radeon RX 7900 XT]``."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _marketing_name(gpu: GpuNode) -> str:
    try:
        device = AmdgpuDeviceHandle(open_node(gpu.node))
    except (DrmError, NoGpu, NodePermission, NotAmdgpu):
        return ""  # a GPU that cannot be opened cannot be chosen by the name that only opening tells
    try:
        return device.marketing_name() if device.same_node else ""
    finally:
        device.close()


def _why_none() -> str:
    return (
        f"no amdgpu GPU was found: looked for render nodes of the driver amdgpu ({_NODES}, sysfs) and for AMD GPUs on "
        f"the PCI bus, and found {'; '.join(_found_instead()) or 'there is no render node at all, and no such GPU'}. "
        "Without one: --mock, or --guest"
    )


def _found_instead() -> Iterator[str]:
    """What there is instead of an amdgpu GPU that can be used, in words."""
    known = set()
    for device in udev().list_devices(subsystem="drm"):
        if not device.sys_name.startswith("renderD") or not device.device_node:
            continue
        node, driver = device.device_node, _driver(device)
        known.add(node)
        if driver != "amdgpu":
            yield f"{node} is driven by {driver or 'no driver that sysfs names'}"
        elif not os.path.exists(node):
            yield f"{node} ({_address(device)}) is amdgpu's in sysfs, but not in /dev: give it to the container"
    for path in sorted(set(glob.glob(_NODES)) - known):
        try:
            os.close(open_node(path))
        except (NodePermission, NoGpu, NotAmdgpu) as error:
            yield f"{path}, which sysfs does not show: {error}"
    yield from map(str, unusable_gpus())


def _address(device: pyudev.Device) -> str:
    return device.parent.sys_name if device.parent is not None else "no PCI device"


def _explain_node(path: str) -> None:
    """Raise what is wrong with a path that is no amdgpu render or primary node."""
    if not os.path.exists(path):
        there = ", ".join(sorted(glob.glob(_NODES))) or "none"
        raise NoGpu(f"{path} does not exist: 'amdgpu-hw list' shows the GPUs of this machine; render nodes: {there}")
    os.close(open_node(path))
