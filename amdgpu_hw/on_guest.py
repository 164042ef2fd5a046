# SPDX-License-Identifier: MIT
"""Running a command on a guest machine: what the command line's commands share."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.guest.patched_source import read_recipe
from amdgpu_hw.guest.session import GuestMachine, GuestOptions
from amdgpu_hw.options.guest import GuestChoice
from amdgpu_hw.options.machine import MachineChoice
from amdgpu_hw.options.suite import ALLOW_FAULTS
from amdgpu_hw.verdict.machine import ASKED, GUEST_MODULE, GivenModule

_BY_SIGNAL = 128
"""Above it a shell's status means that a signal ended the program."""

__all__ = ("again_on_guest", "console_file", "run_on_guest")


def console_file(options: GuestOptions, name: str) -> Path:
    """Where the guest's console is kept by default: in results/, as the results are."""
    return Path("results") / f"{name}-{'-'.join(options.gpus)}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.console.log"


def run_on_guest(command: Sequence[str], options: GuestOptions, name: str = "guest", *, needs_gpu: bool = False) -> int:
    """Run a command on a new guest machine; its exit status as a shell gives it, or an `ExitStatus` after saying why.

    There it may do what makes a GPU fault or hang, unless the caller's environment says otherwise: there is no machine
    to lose. Which machine it is goes to standard error, and so does where its logs are if something went wrong.
    ``needs_gpu``: it is not run where the driver has taken no GPU; others may want to look why.
    """
    if options.console is None:
        options = replace(options, console=console_file(options, name))
    machine, up = GuestMachine(options), False
    try:
        with machine:
            up = True
            print(f"amdgpu-hw: {machine.words}", file=sys.stderr, flush=True)
            if machine.trouble:
                print(f"amdgpu-hw: {machine.trouble}", file=sys.stderr, flush=True)
                if needs_gpu and not machine.bound:
                    return ExitStatus.UNUSABLE
            environment = {ALLOW_FAULTS: os.environ.get(ALLOW_FAULTS, "1"), **_module_facts(options)}
            return machine.run(command, {**environment, **options.environment})
    except HarnessError as error:
        print(f"amdgpu-hw: {error}", file=sys.stderr)
        return ExitStatus.INCOMPLETE if up else error.exit_status


def _module_facts(options: GuestOptions) -> dict[str, str]:
    """Tell reports which amdgpu.ko was given, in the environment; nothing if the kernel has its own."""
    if options.amdgpu is None:
        return {}
    recipe = read_recipe(options.amdgpu)
    module = GivenModule(str(options.amdgpu), recipe.patches, recipe.edits)
    return {GUEST_MODULE: json.dumps(asdict(module))}


def again_on_guest(
    arguments: Sequence[str], guest: GuestChoice, machine: MachineChoice, files: Sequence[Path] = ()
) -> int:
    """Carry out a command of ours on a guest machine; its exit status. ``files`` are what it is to write.

    The log of the guest's console is kept beside the first of them. Raises `HarnessError` where a mock machine was
    asked for as well.
    """
    both = [machine.spelled(name) for name in machine.given_for_mock() if name != "parameters"]
    if machine.mock is not None or both:
        raise HarnessError(f"a machine is a guest or a mock, not both: {', '.join(['--guest', *both])} or --mock")
    console = Path(files[0]).with_suffix(".console.log") if files else None
    options = guest.options(machine.gpu, machine.parameters, files, console)
    asked = shlex.join([*guest.argv(), *machine.argv()])
    options = replace(options, environment={ASKED: asked})
    command = [sys.executable, "-m", "amdgpu_hw", *arguments]
    status = run_on_guest(command, options, arguments[0], needs_gpu=True)
    return ExitStatus.INCOMPLETE if status > _BY_SIGNAL else status
