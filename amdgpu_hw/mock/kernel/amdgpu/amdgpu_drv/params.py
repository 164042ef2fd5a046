# SPDX-License-Identifier: MIT
"""Module parameters of amdgpu: those of amdgpu_drv.c that the model knows.

The driver reads them when it is loaded; here they may change while it runs, and each says from when on it counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amdgpu_hw.errors import HarnessError

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice

__all__ = (
    "MODULE_PARAMETERS",
    "ModuleParameter",
    "UnknownParameter",
    "find_parameter",
    "parse_parameter",
    "parse_parameters",
)

_MSEC = 1_000_000


class UnknownParameter(HarnessError):
    """There is no module parameter of that name, or it cannot have that value; the message says what there is."""


@dataclass(frozen=True, slots=True)
class ModuleParameter:
    """What a parameter does to a GPU; ``get``: its value, where everybody may read it in /sys/module/amdgpu."""

    set: Callable[[AmdgpuDevice, int], None]
    get: Callable[[AmdgpuDevice], int] | None = None


def _set_lockup_timeout(adev: AmdgpuDevice, value: int) -> None:
    """In ms, for all rings; 0 or less: none. Counts from the next job that is put on an idle ring."""
    for ring in adev.rings:
        ring.sched.timeout = value * _MSEC if value > 0 else None


def _set_gpu_recovery(adev: AmdgpuDevice, value: int) -> None:
    adev.gpu_recovery = value != 0


def _set_debug_mask(adev: AmdgpuDevice, value: int) -> None:
    adev.init_debug_options(value)


def _set_vm_update_mode(adev: AmdgpuDevice, value: int) -> None:
    """Counts for files opened from now on."""
    adev.vm_manager.vm_update_mode = value
    adev.ddev.sleeps_anywhere |= adev.vm_manager.use_cpu_for_gfx


def _set_user_queue(adev: AmdgpuDevice, value: int) -> None:
    """1 offers compute queues from GFX11 on. Kernel queues stay: 2, which takes them away, is not modelled."""
    if value not in (-1, 0, 1):
        raise UnknownParameter(f"user_queue can be -1, 0 or 1 here, not {value}")
    adev.init_user_queues(value)


MODULE_PARAMETERS = {
    "lockup_timeout": ModuleParameter(_set_lockup_timeout),
    "gpu_recovery": ModuleParameter(_set_gpu_recovery),
    "debug_mask": ModuleParameter(_set_debug_mask, lambda adev: adev.debug_mask),
    "user_queue": ModuleParameter(_set_user_queue, lambda adev: adev.user_queue),
    "vm_update_mode": ModuleParameter(_set_vm_update_mode, lambda adev: adev.vm_manager.vm_update_mode),
}


def find_parameter(name: str) -> ModuleParameter:
    """Return the parameter called ``name``; raises `UnknownParameter`."""
    if name not in MODULE_PARAMETERS:
        raise UnknownParameter(f"there is no module parameter '{name}' here; there are: {', '.join(MODULE_PARAMETERS)}")
    return MODULE_PARAMETERS[name]


def parse_parameter(text: str) -> tuple[str, int]:
    """Read ``NAME=NUMBER``; raises `ValueError` with a sentence."""
    name, _, value = text.partition("=")
    try:
        return name, int(value, 0)
    except ValueError:
        raise ValueError(f"a module parameter must be NAME=NUMBER, not '{text}'") from None


def parse_parameters(text: str) -> dict[str, int]:
    """Read ``NAME=NUMBER``, any number of them with commas between; raises `ValueError` with a sentence."""
    return dict(parse_parameter(each) for each in text.split(",") if each)
