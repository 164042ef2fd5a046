# SPDX-License-Identifier: MIT
"""The security processor (PSP): there is none, only its signs of life.

The guest's driver runs with fw_load_type=0 and without the block PSP (docs/guest-limits.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .registers import RegisterFile

__all__ = ("Mp",)

BOOT_COMPLETE = 1 << 31
ALIVE = 1
"""Anything but 0: what a mode-1 reset asks of the PSP is done (sienna_cichlid_is_mode1_reset_supported)."""


class Mp:
    """MP0 as amdgpu_discovery_get_tmr_info and amdgpu_discovery_init wait for it."""

    def __init__(self, registers: RegisterFile) -> None:
        registers.default(registers.table.offset("MP0", "MP0_SMN_C2PMSG_33"), BOOT_COMPLETE)
        registers.default(registers.table.offset("MP0", "MP0_SMN_C2PMSG_81"), ALIVE)
