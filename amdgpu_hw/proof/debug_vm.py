# SPDX-License-Identifier: MIT
"""The option debug_vm (amdgpu.debug_mask, bit 0): updates are left to the next submission, which misses BOs."""

from __future__ import annotations

from amdgpu_hw.evidence.module_parameters import known_parameter, module_parameter
from amdgpu_hw.proof.record import NotTestable

__all__ = ("require_debug_vm", "require_unlisted_buffers", "require_updates_at_once")

_DEBUG_VM = 1 << 0
"""AMDGPU_DEBUG_VM."""


def require_debug_vm() -> None:
    """Not testable where the driver does not run with the option."""
    mask = module_parameter("debug_mask")
    if not mask & _DEBUG_VM:
        raise NotTestable(f"needs debug_vm: amdgpu.debug_mask is {mask:#x}, without bit 0", missing="debug_vm")


def require_updates_at_once() -> None:
    """Not testable where updates whose fence nobody asks for (or can ask for) wait for the next submission."""
    if _is_on():
        why = "debug_vm leaves updates whose fence nobody asks for to the next submission"
        raise NotTestable(why, missing="updates_at_once")


def require_unlisted_buffers() -> None:
    """Not testable where a submission clears the mappings of BOs that it does not list, behind all work with them."""
    if _is_on():
        why = "debug_vm makes submissions clear what they do not list (amdgpu_vm_handle_moved)"
        raise NotTestable(why, missing="unlisted_buffers")


def _is_on() -> bool:
    return bool((known_parameter("debug_mask") or 0) & _DEBUG_VM)
