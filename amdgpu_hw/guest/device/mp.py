# SPDX-License-Identifier: MIT
"""The microprocessors of power and security: there are none; only the flag that the boot loader has finished is.

The guest's driver runs with fw_load_type=0 and without the blocks PSP and SMU (docs/guest.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .registers import RegisterFile

__all__ = ("Mp",)

BOOT_COMPLETE = 1 << 31


class Mp:
    """MP0 as amdgpu_discovery_get_tmr_info and amdgpu_discovery_init wait for it."""

    def __init__(self, registers: RegisterFile) -> None:
        registers.default(registers.table.offset("MP0", "MP0_SMN_C2PMSG_33"), BOOT_COMPLETE)
