# SPDX-License-Identifier: MIT
"""Where the GPUs of a mock machine sit on its PCI bus."""

from __future__ import annotations

__all__ = ("MAX_GPUS", "gpu_syspath", "pci_address")

MAX_GPUS = 16


def pci_address(index: int) -> str:
    """PCI address of the machine's GPU number ``index``: each sits on a bus of its own."""
    if not 0 <= index < MAX_GPUS:
        raise ValueError(f"a mock machine has at most {MAX_GPUS} GPUs, not one with index {index}")
    return f"0000:{3 + 4 * index:02x}:00.0"


def gpu_syspath(index: int) -> str:
    """Path of GPU number ``index`` in /sys."""
    return f"/sys/devices/pci0000:00/0000:00:{index + 1:02x}.1/{pci_address(index)}"
