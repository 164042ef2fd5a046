# SPDX-License-Identifier: MIT
"""Where the GPUs of a mock machine sit on its PCI bus."""

from __future__ import annotations

__all__ = ("MAX_GPUS", "gpu_syspath", "pci_address", "root_port_syspath")

MAX_GPUS = 16


def pci_address(index: int) -> str:
    """PCI address of the machine's GPU number ``index``: each sits on a bus of its own."""
    if not 0 <= index < MAX_GPUS:
        raise ValueError(f"a mock machine has at most {MAX_GPUS} GPUs, not one with index {index}")
    return f"0000:{3 + 4 * index:02x}:00.0"


def gpu_syspath(index: int) -> str:
    """Path of GPU number ``index`` in /sys."""
    return f"{root_port_syspath(index)}/{pci_address(index)}"


def root_port_syspath(index: int) -> str:
    """Path in /sys of the port that leads to the bus of GPU number ``index``."""
    return f"/sys/devices/pci0000:00/0000:00:{index + 1:02x}.1"
