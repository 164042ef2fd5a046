# SPDX-License-Identifier: MIT
"""QEMU's command line for a guest machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from amdgpu_hw.guest.channel import PORT
from amdgpu_hw.guest.tools import Tools

__all__ = ("KVM", "TCG", "Hardware", "kernel_command_line", "qemu_command")

KVM, TCG = "kvm", "tcg"

# The guest must not take itself for a virtual machine: amdgpu then leaves out what it does on real hardware (reading
# the ROM, resets). Five-level page tables and the PMU only cost emulated time.
_CPU = {KVM: "host,migratable=off,-hypervisor,pmu=off", TCG: "max,-hypervisor,la57=off,pmu=off"}
_ACCELERATOR = {KVM: "kvm", TCG: "tcg,thread=multi"}
_FIRST_SLOT = 0x10


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a guest machine consists of; sockets are paths."""

    accelerator: str
    memory_mib: int
    processors: int
    console: Path
    """The file that its console is written to."""
    gpus: Sequence[Path] = ()
    shares: Sequence[tuple[str, Path]] = ()
    """virtiofs tags and the sockets of their daemons."""
    channel: int | None = None
    """A connected socket that becomes the virtio-serial port."""
    monitor: Path | None = None
    """Where QEMU's monitor listens (`amdgpu_hw.guest.monitor`)."""
    extra: Sequence[str] = field(default=())
    """Further words, e.g. for gdb."""


def qemu_command(tools: Tools, hardware: Hardware, image: Path, initramfs: Path, kernel_arguments: str) -> list[str]:
    """The whole command line."""
    memory = f"{hardware.memory_mib}M"
    words = [
        *tools.qemu,
        *("-no-user-config", "-nodefaults", "-no-reboot", "-display", "none", "-monitor", "none"),
        *("-machine", "q35,usb=off,vmport=off", "-accel", _ACCELERATOR[hardware.accelerator]),
        *("-cpu", _CPU[hardware.accelerator], "-smp", str(hardware.processors)),
        # virtiofsd and the GPU read and write the guest's memory in place.
        *(
            "-m",
            memory,
            "-object",
            f"memory-backend-memfd,id=memory,size={memory},share=on",
            "-numa",
            "node,memdev=memory",
        ),
        # A guest that broke out of the machine still can start nothing and gain no privilege.
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny"),
        *("-chardev", f"file,id=console,path={_escaped(hardware.console)},append=on", "-serial", "chardev:console"),
    ]
    for number, (tag, socket) in enumerate(hardware.shares):
        words += ["-chardev", f"socket,id=share{number},path={_escaped(socket)}"]
        words += ["-device", f"vhost-user-fs-pci,chardev=share{number},tag={tag}"]
    if hardware.channel is not None:
        words += ["-device", "virtio-serial-pci", "-chardev", f"socket,id=channel,fd={hardware.channel}"]
        words += ["-device", f"virtserialport,chardev=channel,name={PORT}"]
    if hardware.monitor is not None:
        words += ["-qmp", f"unix:{_escaped(hardware.monitor)},server=on,wait=off"]
    for number, socket in enumerate(hardware.gpus):
        device = {
            "driver": "vfio-user-pci",
            "id": f"gpu{number}",
            "addr": f"{_FIRST_SLOT + number:02x}.0",
            "socket": {"type": "unix", "path": str(socket)},
        }
        words += ["-device", json.dumps(device)]
    return [*words, *hardware.extra, "-kernel", str(image), "-initrd", str(initramfs), "-append", kernel_arguments]


def kernel_command_line(firmware: Path | None, extra: Sequence[str] = ()) -> str:
    """What the kernel is told: where its console and our firmware files are, and to end rather than hang.

    Slab caches are not merged, so that /proc/slabinfo tells what leaks (`amdgpu_hw.evidence.slabinfo`). No message is
    left out for coming too often: with it the driver of GFX9 forgets the VM fault (gmc_v9_0_process_interrupt).
    """
    words = ["console=ttyS0", "quiet", "loglevel=5", "panic=-1", "modprobe.blacklist=amdgpu", "rdinit=/init"]
    words += ["slab_nomerge", "sysctl.kernel.printk_ratelimit=0"]
    if firmware is not None:
        words.append(f"firmware_class.path={firmware}")
    return " ".join([*words, *extra])


def _escaped(path: Path) -> str:
    """QEMU's option parser takes a doubled comma for one."""
    return str(path).replace(",", ",,")
