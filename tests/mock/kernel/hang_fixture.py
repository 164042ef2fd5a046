# SPDX-License-Identifier: MIT
"""Machines whose jobs time out soon, jobs that hang, and a /sys that only remembers."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Callable, Mapping

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.drv import probe
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import AmdgpuRing
from amdgpu_hw.mock.kernel.kernel import Kernel
from amdgpu_hw.mock.variants import VARIANTS, Variant
from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.amdgpu_client import COMPUTE, Client
from tests.mock.kernel.fake_caller import IoctlError

VA = 0x400000
MSEC = 1_000_000
TIMEOUT_NS = 100 * MSEC
RESET_ERRORS = (errno.ECANCELED, errno.ENODATA, errno.ETIME)


class FakeSysfs:
    """`Sysfs` that keeps what it was told."""

    def __init__(self) -> None:
        self.devices: dict[str, bytes] = {}
        self.links: dict[tuple[str, str], str] = {}
        self.attributes: dict[tuple[str, str], str] = {}
        self.removed: list[str] = []
        self.events: list[tuple[str, str, dict[str, str]]] = []
        self.writers: dict[str, Callable[[], None]] = {}

    def add_class_device(
        self, path: str, subsystem: str, data: bytes, links: Mapping[str, str], on_write: Callable[[], None]
    ) -> None:
        self.devices[path] = data
        self.links |= {(path, name): target for name, target in links.items()}
        self.writers[path] = on_write

    def add_link(self, path: str, name: str, target: str) -> None:
        self.links[path, name] = target

    def remove_link(self, path: str, name: str) -> None:
        self.links.pop((path, name), None)

    def live_attribute(self, path: str, name: str) -> Callable[[str], None]:
        return lambda text: self.attributes.update({(path, name): text})

    def remove_device(self, path: str) -> None:
        self.devices.pop(path, None)
        self.links = {key: target for key, target in self.links.items() if key[0] != path}
        self.removed.append(path)

    def uevent(self, path: str, action: str, environment: Mapping[str, str]) -> None:
        self.events.append((path, action, dict(environment)))


def boot_impatient(
    gpu: str = "navi31", variant: str = "base", *, ring_reset: bool = True, gpu_time: float = 0
) -> AmdgpuDevice:
    """A GPU whose jobs time out after 30 ms, with or without firmware that can reset rings."""
    limits = {"lockup_timeout_ns": TIMEOUT_NS, "compute_lockup_timeout_ns": TIMEOUT_NS}
    kernel_variant: Variant = dataclasses.replace(VARIANTS[variant], **limits)  # type: ignore[arg-type]
    identity = load_identity(gpu)
    identity = dataclasses.replace(identity, chip=dataclasses.replace(identity.chip, ring_reset=ring_reset))
    kernel = Kernel(kernel_variant, gpu_time)
    kernel.sysfs = FakeSysfs()
    return probe(kernel, identity, 0)


def sysfs_of(adev: AmdgpuDevice) -> FakeSysfs:
    """What the kernel has shown."""
    assert isinstance(adev.kernel.sysfs, FakeSysfs)
    return adev.kernel.sysfs


def ring_of(client: Client, ip: int, ring: int = 0) -> AmdgpuRing:
    """The ring that a context's entity puts its jobs on."""
    entity = client.ctx_object().entities[ip, ring].entity
    found = entity.rq.sched.priv
    assert isinstance(found, AmdgpuRing)
    return found


def hang(client: Client, ip: int = COMPUTE, **where: int) -> int:
    """A job that waits for memory that never changes."""
    if not client.fpriv.vm.va.starting_at(VA >> 12):
        client.map(client.bo(), VA)
    packets = client.packets(ip)
    poll = packets.poll_regmem if ip == drm.AMDGPU_HW_IP_DMA else packets.wait_reg_mem
    return client.submit(ip, poll(VA, 1), **where)


def error_of(client: Client, ip: int, sequence: int, **where: int) -> int:
    """What WAIT_CS ends with; waits as long as it takes."""
    try:
        client.wait(ip, sequence, **where)
    except IoctlError as error:
        return error.errno or 0
    return 0


def query2(client: Client, ctx: int | None = None) -> int:
    """Flags of QUERY_STATE2."""
    op = drm.AMDGPU_CTX_OP_QUERY_STATE2
    return int(client.ioctl(drm.IOCTL_AMDGPU_CTX, op=op, ctx_id=ctx or client.ctx)["op"])
