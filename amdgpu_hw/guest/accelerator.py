# SPDX-License-Identifier: MIT
"""KVM or emulation: decided by trying.

A /dev/kvm that can be opened may still be of no use: nested without help of the hardware, a kernel crawls or dies
before its first line. So the kernel is booted once with KVM to a first process that switches the machine off; the
answer is kept until the host's kernel, the processor or QEMU is another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.atomic_file import replace_file
from amdgpu_hw.guest.boot_image import boot_image
from amdgpu_hw.guest.initramfs import first_file_system
from amdgpu_hw.guest.kernels import GuestKernel
from amdgpu_hw.guest.places import cache
from amdgpu_hw.guest.processes import Child, last_line
from amdgpu_hw.guest.qemu import KVM, TCG, Hardware, kernel_command_line, qemu_command
from amdgpu_hw.guest.tools import Tools
from amdgpu_hw.session_directory import SessionDirectory

__all__ = ("Accelerator", "choose_accelerator")

_DEVICE = Path("/dev/kvm")
_TRIAL_S = 8.0
"""A boot to the first process takes some 4 s emulated; where KVM takes longer than twice that it is no gain."""
_TRIAL_MIB = 512
_SIGN = "amdgpu-hw: trial boot"
_OFF = f"""\
#!/bin/sh
export PATH=/bin
mount -t devtmpfs dev /dev
echo "{_SIGN}" >/dev/console
poweroff -f
"""


@dataclass(frozen=True, slots=True)
class Accelerator:
    """What a guest machine's processors are."""

    name: str
    why: str
    """Why it is not KVM, or how fast a trial boot was."""

    @property
    def words(self) -> str:
        """For a person."""
        return f"KVM ({self.why})" if self.name == KVM else f"TCG ({self.why})"


def choose_accelerator(tools: Tools, kernel: GuestKernel, asked: str | None = None) -> Accelerator:
    """KVM where a trial boot shows that it serves, else emulation; ``asked`` decides without a trial."""
    if asked is not None:
        return Accelerator(asked, "as asked for")
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return Accelerator(TCG, f"{_DEVICE} cannot be opened" if _DEVICE.exists() else f"there is no {_DEVICE}")
    file = cache("trials", f"{_situation(tools, kernel)}.json")
    try:
        kept = json.loads(file.read_text())
        return Accelerator(str(kept["name"]), str(kept["why"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing is known yet
    found = _trial(tools, kernel)
    replace_file(file, json.dumps({"name": found.name, "why": found.why}).encode())
    return found


def _situation(tools: Tools, kernel: GuestKernel) -> str:
    parts = (platform.release(), _processor(), tools.qemu_version, kernel.release)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return "\n".join(line for line in lines if line.startswith(("model name", "flags")))


def _trial(tools: Tools, kernel: GuestKernel) -> Accelerator:
    with SessionDirectory() as directory:
        initramfs = directory / "initramfs"
        initramfs.write_bytes(first_file_system(tools.busybox, (), _OFF))
        console, log = directory / "console", directory / "qemu"
        console.touch()
        hardware = Hardware(KVM, _TRIAL_MIB, 1, console)
        before = time.monotonic()
        child = Child(
            "QEMU", qemu_command(tools, hardware, boot_image(kernel.image), initramfs, kernel_command_line(None)), log
        )
        try:
            in_time = child.wait(_TRIAL_S)
        finally:
            child.end()
        took = time.monotonic() - before
        if not in_time:
            return Accelerator(TCG, f"with KVM a trial boot was not over after {_TRIAL_S:g} s")
        if _SIGN not in console.read_text(errors="replace"):
            said = last_line(console) or last_line(log)
            return Accelerator(TCG, "with KVM a trial boot failed" + (f": {said}" if said else ""))
        return Accelerator(KVM, f"a trial boot took {took:.1f} s")
