# SPDX-License-Identifier: MIT
"""QEMU's command line: what the parts of a machine become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amdgpu_hw.guest.qemu import KVM, TCG, Hardware, kernel_command_line, qemu_command
from amdgpu_hw.guest.tools import Tools

TOOLS = Tools(("qemu",), ("virtiofsd",), Path("/busybox"), "11.1.3")


def command(**parts: object) -> list[str]:
    """The command line for a machine."""
    given = {"accelerator": TCG, "memory_mib": 2048, "processors": 2, "console": Path("/c"), **parts}
    return qemu_command(TOOLS, Hardware(**given), Path("/vmlinuz"), Path("/initramfs"), "quiet")  # type: ignore[arg-type]


def test_each_gpu_has_a_slot_of_its_own() -> None:
    """In the order they were named, on the root bus."""
    words = command(gpus=[Path("/a.sock"), Path("/b.sock")])
    devices = [json.loads(word) for word in words if word.startswith("{")]
    assert [device["socket"]["path"] for device in devices] == ["/a.sock", "/b.sock"]
    assert len({device["addr"] for device in devices}) == 2
    assert {device["driver"] for device in devices} == {"vfio-user-pci"}


@pytest.mark.parametrize("accelerator", [KVM, TCG])
def test_the_guest_does_not_know_that_it_is_one(accelerator: str) -> None:
    """amdgpu leaves things out under a hypervisor."""
    words = command(accelerator=accelerator)
    assert "-hypervisor" in words[words.index("-cpu") + 1]
    assert words[words.index("-accel") + 1].startswith(accelerator)


def test_memory_is_shared_with_the_other_processes() -> None:
    """Without that neither virtiofsd nor the GPU could reach it."""
    words = command(memory_mib=3000)
    assert words[words.index("-m") + 1] == "3000M"
    assert "size=3000M,share=on" in words[words.index("-object") + 1]


def test_a_comma_in_a_path_is_no_option() -> None:
    """QEMU takes two for one."""
    words = command(console=Path("/a,b"), shares=[("root", Path("/c,d"))], monitor=Path("/e,f"))
    assert "file,id=console,path=/a,,b,append=on" in words
    assert "socket,id=share0,path=/c,,d" in words
    assert "unix:/e,,f,server=on,wait=off" in words


def test_a_guest_that_broke_out_starts_nothing() -> None:
    """QEMU's own system-call filter is on, and a guest that reboots ends."""
    words = command()
    assert "spawn=deny" in words[words.index("-sandbox") + 1]
    assert "-no-reboot" in words


def test_the_kernel_finds_our_firmware_and_ends_when_it_panics() -> None:
    """And takes the user's words last, so that they win."""
    words = kernel_command_line(Path("/x/firmware"), ["panic=5"]).split()
    assert "firmware_class.path=/x/firmware" in words
    assert words.index("panic=-1") < words.index("panic=5")


def test_leaks_can_be_told_apart() -> None:
    """Merged slab caches would hide what amdgpu leaks."""
    assert "slab_nomerge" in kernel_command_line(None).split()


def test_no_vm_fault_is_forgotten() -> None:
    """The driver of GFX9 notes none whose message printk_ratelimit leaves out."""
    assert "sysctl.kernel.printk_ratelimit=0" in kernel_command_line(None).split()
