# SPDX-License-Identifier: MIT
"""What ``scripts/validate`` does: ``amdgpu-hw validate``, on the mock machine where there is no GPU to validate."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from amdgpu_hw.cli import main
from amdgpu_hw.program import end_with, run_program

__all__ = ("validate_anywhere",)

_NO_GPU = (
    "scripts/validate: there is no amdgpu GPU on this machine, so a MOCK one is validated: the verdict is on the "
    "harness, not on any kernel or GPU. 'amdgpu-hw validate' alone would end here."
)


def validate_anywhere(arguments: Sequence[str]) -> int:
    """Validate on the machine that is asked for, on this one, or on a mock one; the exit status is `validate`'s.

    A GPU that is there and cannot be used is no reason for a mock: `validate` says what is wrong with it.
    """
    if _asks_for_machine(arguments) or _has_gpu():
        return main(["validate", *arguments])
    print(_NO_GPU, file=sys.stderr, flush=True)
    status = main(["validate", "--mock", *arguments])
    print(_NO_GPU, file=sys.stderr, flush=True)
    return status


def _asks_for_machine(arguments: Sequence[str]) -> bool:
    from amdgpu_hw.cli.parser import make_parser
    from amdgpu_hw.options.guest import GuestChoice
    from amdgpu_hw.options.machine import MachineChoice, MachineKind

    options, _ = make_parser().parse_known_args(["validate", *arguments])
    machine = MachineChoice.of(options)
    return machine.gpu is not None or machine.kind is not MachineKind.REAL or GuestChoice.of(options).asked


def _has_gpu() -> bool:
    from amdgpu_hw.discovery import list_gpus
    from amdgpu_hw.pci_gpus import unusable_gpus

    return bool(list_gpus() or unusable_gpus())


if __name__ == "__main__":
    end_with(lambda: run_program("amdgpu-hw", lambda: validate_anywhere(sys.argv[1:])))
