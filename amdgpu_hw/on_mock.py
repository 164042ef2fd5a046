# SPDX-License-Identifier: MIT
"""Running a command on a mock machine: what the command line and the pytest plugin share."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.gpu_model.gpus import UnknownGpu, load_identity
from amdgpu_hw.mock.machine import DEFAULT_GPU, Machine
from amdgpu_hw.mock.planting import load_bug
from amdgpu_hw.mock.variants import UnknownKernel, get_variant
from amdgpu_hw.options.machine import MockOptions
from amdgpu_hw.options.suite import ALLOW_FAULTS
from amdgpu_hw.verdict.machine import ENVIRONMENT

__all__ = ("machine_environment", "run_on_mock")


def machine_environment(
    gpus: Sequence[str],
    kernel: str,
    bugs: Sequence[str] = (),
    gpu_time: float = 1,
    parameters: Mapping[str, int] | None = None,
) -> dict[str, str]:
    """Return what the environment of a command on a mock machine says about it, for the report layer alone.

    It also allows tests that may make a GPU fault or hang: there is no machine to lose.
    """
    planted = {bug.name: bug.description for bug in map(load_bug, bugs)}
    description = {
        "gpus": gpus,
        "kernel": kernel,
        "bugs": planted,
        "parameters": parameters or {},
        "gpu_time": gpu_time,
    }
    return {ALLOW_FAULTS: "1", ENVIRONMENT: json.dumps(description)}


def _check_names(gpus: Sequence[str], kernel: str) -> None:
    """Raise `HarnessError` for names that mean nothing, before a process is started for them."""
    try:
        for name in gpus:
            load_identity(name)
        get_variant(kernel)
    except (UnknownGpu, UnknownKernel) as error:
        raise HarnessError(str(error)) from None


def run_on_mock(command: Sequence[str], gpus: Sequence[str], wanted: MockOptions, *, ours: bool = False) -> int:
    """Run a command on a new mock machine; its exit status as a shell gives it, or an `ExitStatus` after saying why.

    ``ours`` says that it is a command of this package, which has an exit status for being interrupted at once.

    Bugs are planted in the kernel, by default in the one they were written for; parameters are module parameters of
    amdgpu beside those that the bugs ask for. Of `machine_environment`, the caller's environment may say otherwise
    about faults.
    """
    if ENVIRONMENT in os.environ:
        print(
            "amdgpu-hw: this runs on a mock machine already, and there is none inside another; if its GPU cannot be "
            "seen here, libumockdev-preload.so.0 is missing (Debian's package umockdev)",
            file=sys.stderr,
        )
        return ExitStatus.UNUSABLE
    gpus = tuple(gpus) or (DEFAULT_GPU,)
    bugs, parameters, gpu_time = wanted.bugs, dict(wanted.parameters), wanted.gpu_time
    try:
        kernel = wanted.kernel_name()
        _check_names(gpus, kernel)
        environment = machine_environment(gpus, kernel, bugs, gpu_time, parameters) | os.environ
        with Machine(
            gpus, kernel, bugs=bugs, parameters=parameters, without=wanted.without, gpu_time=gpu_time
        ) as machine:
            status = machine.run(command, environment, ours=ours)
    except HarnessError as error:
        print(f"amdgpu-hw: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("amdgpu-hw: interrupted before the mock machine was up", file=sys.stderr)
        return ExitStatus.INCOMPLETE
    if status < 0 and ours:
        print(f"amdgpu-hw: the run was killed by {signal.Signals(-status).name}", file=sys.stderr)
        return ExitStatus.INCOMPLETE
    return status if status >= 0 else 128 - status
