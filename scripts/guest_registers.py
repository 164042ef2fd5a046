#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the register tables of amdgpu_hw/guest/device/registers from a kernel tree's headers.

    scripts/guest_registers.py --kernel LINUX_TREE GPU [--log MACHINE_LOG]...

A table has the registers that a block of the model reacts to (`MODELLED`, by pattern), and as plain storage those that
it already has and those that the logs of machines name as accessed by a driver: one starts with a log full of numbers,
runs this, and then knows the names. With ``--unmodelled`` they get no more than a name for the log: the driver's state
dump, for one, reads hundreds of registers that mean nothing here.
"""

from __future__ import annotations

import argparse
import fnmatch
import re
import sys
import tomllib
from pathlib import Path

TABLES = Path(__file__).resolve().parent.parent / "amdgpu_hw" / "guest" / "device" / "registers"
INCLUDE = Path("drivers/gpu/drm/amd/include")

HUB = (
    "*VM_CONTEXT[0-9]*_CNTL",
    "*VM_CONTEXT*_PAGE_TABLE_*_ADDR_*",
    "*VM_INVALIDATE_ENG*",
    "*VM_L2_PROTECTION_FAULT_*",
    "*VM_L2_CNTL*",
    "*MC_VM_FB_*",
    "*MC_VM_AGP_*",
    "*MC_VM_SYSTEM_APERTURE_*",
    "*MC_VM_MX_L1_TLB_CNTL",
)
MODELLED: dict[str, tuple[str, ...]] = {
    "GC": (
        *HUB,
        "GRBM_STATUS*",
        "GRBM_GFX_CNTL",
        "GRBM_GFX_INDEX",
        "GRBM_SOFT_RESET",
        "GB_ADDR_CONFIG",
        "CP_RB0_*",
        "CP_RB_*",
        "CP_MQD_*",
        "CP_HQD_*",
        "CP_GFX_*",
        "CP_HYP_XCP_CTL",
        "SDMA[0-3]_GFX_*",
        "SDMA[0-3]_F32_CNTL",
        "SDMA[0-3]_STATUS*_REG",
        "SDMA[0-3]_CNTL",
        "CP_*_IC_OP_CNTL",
        "SDMA[0-3]_FREEZE",
        "SDMA[0-3]_QUEUE0_*",
        "SDMA[0-3]_QUEUE_RESET_REQ",
        "CP_*_DC_OP_CNTL",
        "CP_MES_*",
        "GFX_IMU_CORE_CTRL",
        "GFX_IMU_GFX_RESET_CTRL",
        "CC_GC_SA_UNIT_DISABLE",
        "CP_*_CNTL",
        "CP_INT_*",
        "CP_ME*_PIPE*_INT_*",
        "CPC_INT_*",
        "CP_VMID_RESET",
        "CP_STAT",
        "SQ_CMD",
        "SCRATCH_REG*",
        "RLC_GPU_CLOCK_COUNT_*",
        "RLC_CAPTURE_GPU_CLOCK_COUNT",
        "RLC_SAFE_MODE",
        "RLC_CNTL",
        "RLC_STAT",
        "SH_MEM_*",
        "CC_GC_SHADER_ARRAY_CONFIG",
        "CC_RB_BACKEND_DISABLE",
        "GC_USER_*",
    ),
    "MMHUB": HUB,
    "NBIO": (
        "*RCC_CONFIG_MEMSIZE",
        "BIOS_SCRATCH_*",
        "BIF_BX0_BIOS_SCRATCH_*",
        "PCIE_INDEX2*",
        "PCIE_DATA2*",
        "BIF_BX0_PCIE_*2*",
        "MM_INDEX",
        "MM_DATA",
        "MM_INDEX_HI",
        "*GPU_HDP_FLUSH_*",
        "*PARTITION_*",
        "RCC_STRAP0_RCC_DEV0_EPF0_STRAP0",
        "RCC_DEV0_EPF0_STRAP0",
        "*REMAP_HDP_*",
        "BIF_BX_PF0_RSMU_*",
        "S2A_DOORBELL_ENTRY_[0-9]_CTRL",
    ),
    "HDP": ("HDP_*FLUSH*", "HDP_READ_CACHE_INVALIDATE"),
    "OSSSYS": ("IH_RB_*", "IH_DOORBELL_RPTR*", "IH_VMID_*_LUT*", "IH_CNTL*", "IH_STATUS"),
    "SDMA": ("SDMA*_GFX_*", "SDMA*_PAGE_*", "SDMA*_F32_CNTL", "SDMA*_STATUS*_REG", "SDMA*_CNTL", "SDMA*_FREEZE"),
    "SMUIO": ("GOLDEN_TSC_COUNT_LOWER", "GOLDEN_TSC_COUNT_UPPER"),
    "MP0": ("MP0_SMN_C2PMSG_33", "MP0_SMN_C2PMSG_81"),
    "MP1": (*(f"MP1_SMN_C2PMSG_{n}" for n in (53, 54, 66, 75, 82, 90)), "MP1_SMN_IH_SW_INT*"),
    "THM": ("THM_THERMAL_INT_*",),
}
"""By the kernel's name of the block; SDMA stands for all SDMAn."""

CHIPS: dict[str, tuple[str, dict[str, str]]] = {
    "vega10": (
        "vega10_ip_offset.h",
        {
            "GC": "gc/gc_9_0",
            "MMHUB": "mmhub/mmhub_1_0",
            "NBIO": "nbio/nbio_6_1",
            "HDP": "hdp/hdp_4_0",
            "OSSSYS": "oss/osssys_4_0",
            "SDMA0": "sdma0/sdma0_4_0",
            "SDMA1": "sdma1/sdma1_4_0",
            "ATHUB": "athub/athub_1_0",
            "SMUIO": "smuio/smuio_9_0",
            "MP0": "mp/mp_9_0",
            "DF": "df/df_1_7",
        },
    ),
    "mi300x": (
        "aldebaran_ip_offset.h",
        {
            "GC": "gc/gc_9_4_3",
            "MMHUB": "mmhub/mmhub_1_8_0",
            "NBIO": "nbio/nbio_7_9_0",
            "HDP": "hdp/hdp_4_4_2",
            "OSSSYS": "oss/osssys_4_4_2",
            "SDMA0": "sdma/sdma_4_4_2",
            "SDMA1": "sdma/sdma_4_4_2",
            "SDMA2": "sdma/sdma_4_4_2",
            "SDMA3": "sdma/sdma_4_4_2",
            "ATHUB": "athub/athub_1_8_0",
            "SMUIO": "smuio/smuio_13_0_3",
            "MP0": "mp/mp_13_0_6",
        },
    ),
    "navi21": (
        "sienna_cichlid_ip_offset.h",
        {
            "GC": "gc/gc_10_3_0",
            "MMHUB": "mmhub/mmhub_2_0_0",
            "NBIO": "nbio/nbio_2_3",
            "HDP": "hdp/hdp_5_0_0",
            "OSSSYS": "oss/osssys_5_0_0",
            "ATHUB": "athub/athub_2_1_0",
            "SMUIO": "smuio/smuio_11_0_0",
            "MP0": "mp/mp_11_0",
            "MP1": "mp/mp_11_0",
            "THM": "thm/thm_11_0_2",
        },
    ),
    # No header has its bases. Navi21's serve: the driver takes them from the discovery data, which is ours.
    "navi31": (
        "sienna_cichlid_ip_offset.h",
        {
            "GC": "gc/gc_11_0_0",
            "MMHUB": "mmhub/mmhub_3_0_0",
            "NBIO": "nbio/nbio_4_3_0",
            "HDP": "hdp/hdp_6_0_0",
            "OSSSYS": "oss/osssys_6_0_0",
            "ATHUB": "athub/athub_3_0_0",
            "SMUIO": "smuio/smuio_13_0_6",
            "MP0": "mp/mp_13_0_0",
            "MP1": "mp/mp_13_0_0",
            "THM": "thm/thm_13_0_2",
        },
    ),
}
"""GPU -> header with the bases of its blocks, header of each block."""

BASES: dict[str, dict[str, list[int]]] = {
    "mi300x": {"MMHUB": [0x18000], "SDMA0": [0x1260], "SDMA1": [0x1860], "SDMA2": [0x19000], "SDMA3": [0x19800]},
}
"""Bases that no header has: the driver takes them from the discovery data, which is ours, so they are our choice. What
is not graphics must not look so in its low 16 bits (gfx_v9_4_3_normalize_xcc_reg_offset)."""

EVERYWHERE = {"MM_INDEX": 0x0, "MM_DATA": 0x1, "MM_INDEX_HI": 0x6}
HOLE = {"HDP_MEM_FLUSH_CNTL_REMAPPED": 0x1FC00, "HDP_REG_FLUSH_CNTL_REMAPPED": 0x1FC01}
OTHERS: dict[str, dict[str, dict[str, int]]] = {
    "vega10": {
        "BIF": EVERYWHERE,
        "UMC": {f"UMC0_CH{n}": 0x14043 + 0x800 * n for n in range(4)},
        "SMUIO_OTHERS": {"IP_DISCOVERY_VERSION": 0x16A00},
        "HOLE": HOLE,
    },
    "mi300x": {"BIF": EVERYWHERE, "SMUIO_OTHERS": {"IP_DISCOVERY_VERSION": 0x16A00}, "HOLE": HOLE},
    "navi21": {"BIF": EVERYWHERE, "SMUIO_OTHERS": {"IP_DISCOVERY_VERSION": 0x16A00}, "HOLE": HOLE},
    "navi31": {"BIF": EVERYWHERE, "SMUIO_OTHERS": {"IP_DISCOVERY_VERSION": 0x16A00}, "HOLE": HOLE},
}
"""Registers that no header has: numbers in amdgpu_device.c, amdgpu_discovery.c, umc_v6_0.c, nbio_v6_1.c."""

SOC15_ONLY = {
    # soc15_common_get_clockgating_state
    "MP0": {"MP0_MISC_CGTT_CTRL0": 0x161B9, "MP0_MISC_LIGHT_SLEEP_CTRL": 0x161BA},
}
NAMED: dict[str, dict[str, dict[str, int]]] = {
    "vega10": {
        **SOC15_ONLY,
        # ecc_umc_mcumc_ctrl_addrs and ecc_umc_mcumc_ctrl_mask_addrs in gmc_v9_0.c
        "UMC": {
            f"UMC{n}_CH{channel}_{name}": first + 0x40000 * n + 0x800 * channel
            for n in range(8)
            for channel in range(4)
            for name, first in (("MCUMC_CTRL", 0x143C0), ("MCUMC_CTRL_MASK", 0x143E0))
        },
    },
    "mi300x": SOC15_ONLY,
    "navi21": {},
    "navi31": {},
}
EARLY = {
    # igp_read_bios_from_vram asks for BIOS_SCRATCH_7 before the driver knows where these registers begin.
    "BIF": {"BIOS_SCRATCH_7_WITHOUT_BASE": 0x7, "DRIVER_SCRATCH_2": 0x96},
}
"""Of no header as well, and not modelled: names for the log."""


def bases(text: str) -> dict[str, list[list[int]]]:
    """Return block -> instances -> bases of its segments."""
    found: dict[str, list[list[int]]] = {}
    for match in re.finditer(r"IP_BASE\s+(?:__maybe_unused\s+)?(\w+?)_BASE\s*=\s*\{\s*\{(.*?)\}\s*\}\s*;", text, re.S):
        instances = re.findall(r"\{\s*\{\s*([^{}]*)\}\s*\}", match[2])
        found[match[1]] = [[int(number, 0) for number in row.split(",")] for row in instances]
    return found


def registers(text: str, segments: list[int]) -> dict[str, int]:
    """Return name -> dword offset of one header's registers."""
    segment = {name: int(index) for name, index in re.findall(r"#define\s+(?:mm|reg)(\w+)_BASE_IDX\s+(\d+)", text)}
    found = {}
    for name, value in re.findall(r"#define\s+(?:mm|reg)(\w+)\s+(0x[0-9a-fA-F]+)", text):
        if name in segment and segment[name] < len(segments):
            found[name] = segments[segment[name]] + int(value, 0)
    return found


def accessed(log: str) -> set[int]:
    """Return the registers in a machine's log: those that SMN addresses, which are in bytes, included."""
    numbers = {int(number, 16) for number in re.findall(r"(?<!SMN )register (0x[0-9a-f]+)", log)}
    numbers |= {int(number, 16) >> 2 for number in re.findall(r"SMN register (0x[0-9a-f]+)", log)}
    return numbers | {int(number, 16) for number in re.findall(r"(?m)^(0x[0-9a-f]{5}) [A-Z]", log)}


def rows(table: dict[str, int]) -> list[str]:
    """Return the lines of a table, by offset."""
    return [f"{name} = {offset:#07x}" for name, offset in sorted(table.items(), key=lambda row: (row[1], row[0]))]


def main() -> int:
    """Write the tables that were asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("gpu", choices=CHIPS)
    parser.add_argument("--kernel", type=Path, required=True, help="source tree of Linux")
    parser.add_argument("--log", type=Path, action="append", default=[], help="log of a machine")
    parser.add_argument(
        "--unmodelled", type=Path, action="append", default=[], help="log whose registers get names only"
    )
    arguments = parser.parse_args()
    offset_header, headers = CHIPS[arguments.gpu]
    include = arguments.kernel / INCLUDE
    base = bases((include / offset_header).read_text())
    base.update({block: [segments] for block, segments in BASES.get(arguments.gpu, {}).items()})
    target = TABLES / f"{arguments.gpu}.toml"
    known = tomllib.loads(target.read_text()) if target.exists() else {}
    touched = set().union(*(accessed(log.read_text()) for log in arguments.log))
    unmodelled = set().union(*(accessed(log.read_text()) for log in arguments.unmodelled))
    names = []
    lines = [
        "# SPDX-License-Identifier: MIT",
        f"# Registers of {arguments.gpu} that the model has, as dword offsets: facts of the kernel's asic_reg headers.",
        "# Made by scripts/guest_registers.py; what no block reacts to is plain storage.",
    ]
    lines += ["", "# First register of each segment of a block, as the discovery data tell them.", "[bases]"]
    for block in headers:
        segments = ", ".join(f"{number:#x}" for number in base[block][0] if number or not base[block][0].index(number))
        lines.append(f"{block} = [{segments}]")
    for block, header in headers.items():
        found = registers((include / "asic_reg" / f"{header}_offset.h").read_text(), base[block][0])
        patterns = MODELLED.get(re.sub(r"^SDMA\d$", "SDMA", block), ())
        wanted = {
            name: offset
            for name, offset in found.items()
            if not re.search(r"_VF\d", name)
            and (
                offset in touched
                or name in known.get(block, ())
                or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
            )
        }
        lines += [
            "",
            f"[{block}]",
            *rows(wanted),
        ]
        named = known.get("unmodelled", {}).get(block, {}).keys()
        by_hand = NAMED[arguments.gpu].get(block, {})
        only_named = {
            name: offset
            for name, offset in found.items()
            if not re.search(r"_VF\d", name) and name not in wanted and (offset in unmodelled or name in named)
        }
        only_named |= by_hand
        if only_named:
            names += ["", f"[unmodelled.{block}]", *rows(only_named)]
    for block, registers_by_hand in OTHERS.get(arguments.gpu, {}).items():
        lines += ["", f"[{block}]", *(f"{name} = {offset:#07x}" for name, offset in registers_by_hand.items())]
    lines += names
    for block, registers_by_hand in {**EARLY, **NAMED[arguments.gpu]}.items():
        if block not in headers:
            lines += ["", f"[unmodelled.{block}]", *rows(registers_by_hand)]
    target.write_text("\n".join(lines) + "\n")
    print(f"{target}: {len(lines)} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
