# SPDX-License-Identifier: MIT
"""The machine under the kernel: GPUs and other devices, /sys, and the kernel that is booted on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from amdgpu_hw.gpu_model.gpus import ModelIdentity
from amdgpu_hw.mock.kernel import kmsg, moduleparam, proc, slab
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv import drv as amdgpu_drv
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.params import MODULE_PARAMETERS, find_parameter
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_reset import reset_masks
from amdgpu_hw.mock.kernel.amdgpu.mem_info import show_mem_info
from amdgpu_hw.mock.kernel.dma_buf import sw_sync
from amdgpu_hw.mock.kernel.kernel import Kernel
from amdgpu_hw.mock.kernel.kobject import KOBJ_BIND, KOBJ_UNBIND
from amdgpu_hw.mock.kernel.log import LogLine
from amdgpu_hw.mock.kernel.trace import MAPPING_EVENTS, SCHED_EVENTS
from amdgpu_hw.mock.kernel.vgem import vgem_drv
from amdgpu_hw.mock.pci import root_port_syspath
from amdgpu_hw.mock.planting import PlantedBug, plant, with_bugs
from amdgpu_hw.mock.testbed import sysfs
from amdgpu_hw.mock.testbed.live_sysfs import LiveSysfs
from amdgpu_hw.mock.testbed.pci_driver import PciDriverFiles
from amdgpu_hw.mock.testbed.tracefs import Tracefs
from amdgpu_hw.mock.testbed.umockdev import Testbed
from amdgpu_hw.mock.transport.transport import HEARD_MODE, Transport
from amdgpu_hw.mock.variants import Variant, VgemBus
from amdgpu_hw.uapi.drm import DRM_MINOR_RENDER_BASE

__all__ = ("Board", "Busy")


_RESCAN = "/sys/bus/pci/rescan"
_RESET_MASKS = ("gfx_reset_mask", "compute_reset_mask", "sdma_reset_mask")
_HEARD = HEARD_MODE | 0o600
"""Root alone may write such files; here the machine belongs to its user, and the mock kernel has to read them."""


class Busy(Exception):
    """Another kernel cannot be booted now; the message is one sentence."""


class _LogFile:
    """A copy of the kernel's log in a file; a full disk ends the copy, not the kernel."""

    def __init__(self, kernel: Kernel, path: Path) -> None:
        self._kernel = kernel
        self._file = path.open("a", encoding="utf-8", buffering=1)
        kernel.log.listeners.append(self._write)

    def close(self) -> None:
        """End the copy."""
        self._file.close()

    def _write(self, line: LogLine) -> None:
        try:
            self._file.write(f"{line}\n")
        except OSError as error:
            self._kernel.log.listeners.remove(self._write)
            self._kernel.log.err(f"the log file {self._file.name} ends here: {error.strerror}")


class Board:
    """A machine with these GPUs, without these optional devices, and a booted kernel with these bugs planted in it.

    ``parameters`` are module parameters of amdgpu, beside those that the bugs ask for. ``gpu_time`` multiplies the
    modelled time of what GPUs do. ``log_files`` get a copy of the kernel's log. Raises `OSError`, `TestbedError` and
    `UnknownParameter`.
    """

    kernel: Kernel
    adevs: list[AmdgpuDevice]

    def __init__(
        self,
        directory: Path,
        gpus: Sequence[ModelIdentity],
        variant: Variant,
        *,
        bugs: Sequence[PlantedBug] = (),
        parameters: Mapping[str, int] | None = None,
        without: Collection[str] = (),
        gpu_time: float = 1,
        log_files: Sequence[Path] = (),
    ) -> None:
        self.gpus = tuple(gpus)
        self.gpu_time = gpu_time
        self._without = tuple(without)
        self._log_paths = tuple(log_files)
        self._log_files: list[_LogFile] = []
        self._removed: list[AmdgpuDevice] = []
        """Devices whose GPU has been found again since; files may still be open on them."""
        self._lift_bugs: Callable[[], None] = plant(())
        self.testbed = Testbed(directory)
        self._driver_files = PciDriverFiles(self.testbed, _HEARD)
        self._boot(variant, bugs, parameters or {})
        self.transport = Transport(self.kernel, directory, self.testbed.root)
        self._sysfs = LiveSysfs(self.testbed, self.transport.watch, self.transport.publish_nodes)
        self.transport.on_settle = self._sysfs.handle_writes
        self._connect_sysfs()

    def reboot(
        self, variant: Variant, bugs: Sequence[PlantedBug] = (), parameters: Mapping[str, int] | None = None
    ) -> None:
        """Boot another kernel, with these bugs and module parameters; raises `Busy` while a client has a file open.

        Nothing of the old kernel is left but what clients have mapped, and nothing that a client can have refers to
        it: that makes a live switch sound; with open files it would not be. A GPU that was unplugged is back then.
        """
        files = self.transport.audit()["open files"]
        if files:
            raise Busy(f"clients of this machine have {files} files open, which a reboot would take away")
        for name in parameters or {}:
            find_parameter(name)
        old = self.kernel
        old.coredumps.clear(old)
        for adev in (*self.adevs, *self._removed):
            adev.gpu.close()
        self._removed.clear()
        old_log_files = self._log_files
        self._tracefs.close()
        self._boot(variant, bugs, parameters or {})
        for log_file in old_log_files:
            log_file.close()
        self.transport.kernel = self.kernel
        self._connect_sysfs()
        self.transport.publish_nodes()
        old.log.listeners.clear()

    def set_parameter(self, name: str, value: int) -> None:
        """Set a module parameter of amdgpu for all GPUs; raises `UnknownParameter`."""
        parameter = find_parameter(name)
        self._parameters[name] = value
        for adev in self.adevs:
            parameter.set(adev, value)

    def rescan(self) -> None:
        """Find GPUs again that were unplugged (`pci_rescan_bus`); files that were open before stay dead.

        The new device has the minors of the old one, also while that is still open somewhere.
        """
        for index, adev in enumerate(self.adevs):
            if not adev.on_bus:
                self._take(index)

    def unbind(self, address: str) -> None:
        """Have the driver let go of a GPU that it has (`unbind_store`); any other address changes nothing."""
        for adev in self.adevs:
            if adev.pci_address == address and not adev.ddev.unplugged:
                amdgpu_drv.unbind(adev)
                self._sysfs.end_attributes(adev.syspath)
                names = (*sysfs.driver_attributes(adev.identity), *_RESET_MASKS)
                self._driver_files.detach(adev.syspath, names)
                self.transport.publish_nodes()
                adev.kernel.sysfs.uevent(adev.syspath, KOBJ_UNBIND, {})

    def bind(self, address: str) -> None:
        """Give the driver a GPU that it has let go of (`bind_store`); any other address changes nothing."""
        for index, adev in enumerate(self.adevs):
            if adev.pci_address == address and adev.on_bus and adev.ddev.unplugged:
                self._take(index)
                adev.kernel.sysfs.uevent(adev.syspath, KOBJ_BIND, {})

    def _take(self, index: int) -> None:
        """Have the driver take a GPU while the machine runs; files of the device that it was before stay dead."""
        self._removed.append(self.adevs[index])
        self.adevs[index] = self._probe(index)
        self._connect_gpu(self.adevs[index])
        self.transport.publish_nodes()
        self.adevs[index].ddev.announce()

    def _connect_sysfs(self) -> None:
        self.kernel.sysfs = self._sysfs
        for adev in self.adevs:
            self._connect_gpu(adev)
        self._when_written(self._driver_files.bind, self.bind)
        self._when_written(self._driver_files.unbind, self.unbind)
        self.testbed.add_file(_RESCAN, _HEARD)
        self._when_set(_RESCAN, self.rescan)
        for cache in self._slabs:
            self.testbed.add_file(cache.shrink_file, _HEARD)
            self._when_set(cache.shrink_file, cache.shrink)

    def _connect_gpu(self, adev: AmdgpuDevice) -> None:
        """Show what changes of a GPU, and listen to what user space writes."""
        show_mem_info(adev)
        remove = f"{adev.syspath}/remove"
        self.testbed.add_file(remove, _HEARD)
        self._when_set(remove, partial(amdgpu_drv.remove, adev))

    def _when_set(self, path: str, action: Callable[[], None]) -> None:
        """Do something whenever a number that is not 0 is written to a file in /sys."""
        self._when_written(path, lambda text: action() if text.strip("0") else None)

    def _when_written(self, path: str, action: Callable[[str], None]) -> None:
        """Do something with each line that is written to a file in /sys."""
        file = self._host(path)

        def written() -> None:
            action(file.read_text(encoding="ascii", errors="replace").strip())
            if file.exists():
                self._sysfs.tell_of_write(path, written)

        self._sysfs.tell_of_write(path, written)

    def _boot(self, variant: Variant, bugs: Sequence[PlantedBug], parameters: Mapping[str, int]) -> None:
        self._parameters = dict(parameters)
        for bug in bugs:
            self._parameters = {**bug.bug.parameters, **self._parameters}
        self._lift_bugs()
        self._lift_bugs = plant(bugs)
        self.bugs = tuple(bugs)
        kernel = self.kernel = Kernel(with_bugs(variant, bugs), self.gpu_time)
        self._log_files = [_LogFile(kernel, path) for path in self._log_paths]
        kernel.log.info(f"Linux mock kernel '{variant.name}': {variant.summary}")
        for bug in bugs:
            kernel.log.warn(f"planted bug {bug.name}: {bug.description}")
        self.adevs = [self._probe(index) for index in range(len(self.gpus))]
        self._slabs = [slab.KmemCache("amdgpu_sync_entry", 64, self._sync_entries, os.cpu_count() or 1)]
        slab.probe(kernel, self._slabs)
        kmsg.probe(kernel)
        proc.probe(kernel, self._parameters)
        for name, parameter in MODULE_PARAMETERS.items():
            if parameter.get is not None:
                moduleparam.module_param(kernel, "amdgpu", name, partial(self._parameter, parameter.get))
        if "vgem" not in self._without:
            index = len(self.gpus)
            vgem_drv.probe(kernel, index)
            self._plug_vgem(variant.vgem_bus, index)
        if "sw_sync" not in self._without:
            sw_sync.probe(kernel)
        for node in kernel.nodes.values():
            if not node.major or node.path == kmsg.KMSG:
                self.testbed.add_file(node.path)
        events = (*(SCHED_EVENTS if variant.has_sched_trace else ()), *MAPPING_EVENTS)
        kernel.tracefs = self._tracefs = Tracefs(self.testbed.root, events, kernel.tracing)

    def _probe(self, index: int) -> AmdgpuDevice:
        adev = amdgpu_drv.probe(self.kernel, self.gpus[index], index)
        for name, value in self._parameters.items():
            find_parameter(name).set(adev, value)
        self._show_gpu(adev, index)
        for name in _RESET_MASKS:
            (self._host(adev.syspath) / name).unlink(missing_ok=True)
        for name, text in reset_masks(adev).items():
            self.testbed.set_attribute(adev.syspath, name, text)
        for minor in (index, _render_minor(index)):
            # Programs find a minor's directory by it (drm_name_info); it does not tell of masters here.
            text = f"amdgpu dev={adev.pci_address} unique={adev.pci_address}\n"
            self.testbed.add_file(f"/sys/kernel/debug/dri/{minor}/name", content=text)
        return adev

    def _show_gpu(self, adev: AmdgpuDevice, index: int) -> None:
        """Show a GPU in /sys, with its driver; what is there already stays."""
        minors = (index, _render_minor(index))
        self._plug(root_port_syspath(index), sysfs.describe_root_port(index))
        if not self._host(adev.syspath).exists():
            self.testbed.add(sysfs.describe_gpu(adev.identity, index, *minors))
            self._driver_files.link(adev.syspath)
        elif not self._driver_files.has(adev.syspath):
            attributes = sysfs.driver_attributes(adev.identity)
            self._driver_files.attach(adev.syspath, sysfs.describe_gpu_nodes(index, *minors), attributes.items())
            self._driver_files.link(adev.syspath)

    def _parameter(self, get: Callable[[AmdgpuDevice], int]) -> int:
        """All GPUs of one driver have the same."""
        return get(self.adevs[0])

    def _sync_entries(self) -> int:
        """Fences that the driver has collected: between two system calls those that it forgot to give back."""
        return sum(ctx.sync.entries for adev in self.adevs for ctx in adev.vm_manager.leaked_update_ctx)

    def _plug(self, syspath: str, description: str) -> None:
        """Show a device in /sys, unless it is there already."""
        if not self._host(syspath).exists():
            self.testbed.add(description)

    def _plug_vgem(self, bus: VgemBus, index: int) -> None:
        """Show the device of vgem; the kernel before may have had it on another bus."""
        for path in (sysfs.vgem_syspath(other) for other in VgemBus if other is not bus):
            if self._host(path).exists():
                for minor in (index, _render_minor(index)):
                    self.testbed.remove(sysfs.node_syspath(path, minor))
                self.testbed.remove(path)
        self._plug(sysfs.vgem_syspath(bus), sysfs.describe_vgem(bus, index, _render_minor(index)))

    def _host(self, path: str) -> Path:
        return Path(f"{self.testbed.root}{path}")


def _render_minor(index: int) -> int:
    return DRM_MINOR_RENDER_BASE + index
