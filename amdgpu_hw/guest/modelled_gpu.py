# SPDX-License-Identifier: MIT
"""The GPUs of a guest machine as this side sees them: a process each, and what the driver has to be told.

The process is ``python -m amdgpu_hw.guest.device``; it serves one GPU on one socket, and before that writes the
firmware files (ours, not the vendor's) that the driver will ask for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.processes import Child

__all__ = ("DEFAULT_GPU", "GUEST_GPUS", "ModelledGpu", "driver_parameters")

DEFAULT_GPU = "vega10"

_BLOCKS_UP_TO_SDMA = 0x1F
"""COMMON, GMC, IH, GFX and SDMA: the order in which soc15.c adds its blocks when firmware is loaded directly."""
_BLOCKS_UP_TO_SMU = 0x3F
"""The SMU behind them: amdgpu_discovery_set_ip_blocks adds it when firmware is loaded directly and dpm is 1."""

_BLOCKS_UP_TO_SMU_AND_MES = 0x13F
"""Behind the SMU are VCN and JPEG, then MES."""

_WITHOUT_PSP = {
    "fw_load_type": "0",  # by the driver itself: there is no PSP
    "dc": "0",  # no display
    "ras_enable": "0",
    "runpm": "0",
    # Of all kinds of jobs, in ms: what Linux 7.3 does anyway; before, one that hangs compute would last a minute
    # (amdgpu_device_get_job_timeout_settings).
    "lockup_timeout": "2000,2000,2000,2000",
}
_WITHOUT_PSP_AND_SMU = {**_WITHOUT_PSP, "dpm": "0", "ip_block_mask": f"{_BLOCKS_UP_TO_SDMA:#x}"}

GUEST_GPUS: Mapping[str, Mapping[str, str]] = {
    "vega10": _WITHOUT_PSP_AND_SMU,
    "mi300x": _WITHOUT_PSP_AND_SMU,
    # Without an SMU block powerplay.pp_handle is NULL, and the driver of GFX10 follows it
    # (amdgpu_gfx_profile_ring_begin_use in Linux 7.3, sienna_cichlid_is_mode1_reset_supported in 6.12).
    "navi21": {**_WITHOUT_PSP, "dpm": "1", "ip_block_mask": f"{_BLOCKS_UP_TO_SMU:#x}"},
    "navi31": {**_WITHOUT_PSP, "dpm": "1", "ip_block_mask": f"{_BLOCKS_UP_TO_SMU_AND_MES:#x}"},
}
"""GPUs that a guest machine can have, and the module parameters without which the driver asks for parts of them that
are not modelled."""


@dataclass(frozen=True, slots=True)
class ModelledGpu:
    """A GPU that is being served."""

    name: str
    child: Child
    socket: Path
    control: int
    """Its process ends when this descriptor is closed."""


def driver_parameters(gpus: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Parameters of amdgpu for a machine with these GPUs; what the user ``given`` comes last, so it wins."""
    needed: dict[str, str] = {}
    for name in gpus:
        if name not in GUEST_GPUS:
            raise HarnessError(f"a guest machine cannot have the GPU '{name}'; it can have {', '.join(GUEST_GPUS)}")
        for parameter, value in GUEST_GPUS[name].items():
            if needed.setdefault(parameter, value) != value and parameter not in given:
                raise HarnessError(
                    f"{' and '.join(gpus)} cannot be in one guest machine: they need different values of the module "
                    f"parameter {parameter}, of which there is one for all GPUs"
                )
    return {**needed, **given}


def start_gpu(name: str, directory: Path, number: int, log: Path, firmware: Path) -> ModelledGpu:
    """Start the process of a GPU; its socket appears when it listens."""
    socket = directory / f"gpu{number}.sock"
    theirs, control = os.pipe()
    command = [sys.executable, "-m", "amdgpu_hw.guest.device", "--gpu", name, "--socket", str(socket)]
    command += ["--log", str(log), "--firmware", str(firmware), "--control-fd", str(theirs)]
    try:
        child = Child(f"the modelled {name}", command, directory / f"gpu{number}.err", (theirs,))
    except BaseException:
        os.close(control)
        raise
    finally:
        os.close(theirs)
    return ModelledGpu(name, child, socket, control)


def end_gpu(gpu: ModelledGpu) -> None:
    """End its process."""
    os.close(gpu.control)
    gpu.child.end()
