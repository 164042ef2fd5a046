# SPDX-License-Identifier: MIT
"""``amdgpu-hw validate``: run tests/hw, print the verdict, keep the results."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.cli.machine_options import add_machine_options
from amdgpu_hw.discovery import list_gpus, open_node, select_gpu
from amdgpu_hw.errors import UNUSABLE
from amdgpu_hw.on_guest import again_on_guest
from amdgpu_hw.on_mock import run_on_mock
from amdgpu_hw.options.guest import GuestChoice
from amdgpu_hw.options.machine import MachineChoice, MachineKind
from amdgpu_hw.options.suite import PREFIX, SuiteOptions
from amdgpu_hw.shipped import suite_directory

__all__ = ("add_commands",)

# This package is imported before pytest can rewrite the asserts in it; there are none to rewrite.
_REWRITE_WARNING = "Module already imported so cannot be rewritten"

# What pytest prints by itself is for people who write tests: here the verdict table follows. Options that the user
# gives come later, so they win.
_QUIET = ("-q", "--no-header", "--tb=no", "-rN", "-p", "no:cacheprovider", "-W", f"ignore:{_REWRITE_WARNING}")

GUEST_TEST_TIMEOUT_S = 120
"""On a busy machine without KVM, tests that draw many programs take longer than elsewhere."""

# The verdict must not depend on a configuration of pytest that happens to lie above an installed package.
_ALONE = ("-c", os.devnull)


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "validate",
        help="run the tests, print the verdict",
        description=(
            "Runs tests/hw on a GPU, or on a mock machine where there is none, prints the verdict and writes the "
            "results as JSON. Further arguments are pytest's, e.g. -k prt."
        ),
        usage="amdgpu-hw validate [--gpu GPU] [--mock [NAME]] [--kernel VARIANT] [--gate NAME] [--results FILE]... "
        "[--bug NAME]... [--parameter NAME=NUMBER]... [--without DEVICE]... [--allow-faults] [--expectations [DIR]] "
        "[--write-expectations DIR] [--after-reset stop|continue] [--resume FILE] [--patch-id TEXT] [--guest [WHAT]] "
        "[--module FILE] [PYTEST ARGS]",
        allow_abbrev=False,
    )
    add_machine_options(parser, "gpu_time")
    SuiteOptions.declare(parser.add_argument)
    parser.set_defaults(run=run_validate, takes_rest=True)


def run_validate(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Validate the GPU that is asked for, or the mock one; the exit status is the verdict."""
    machine, suite, guest = MachineChoice.of(options), SuiteOptions.of(options), GuestChoice.of(options)
    if guest.asked:
        return _on_guest(guest, machine, suite, rest)
    if machine.kind is MachineKind.MOCK:
        return _on_mock(machine, suite, rest)
    if machine.gpu is None and not list_gpus():
        print(
            f"There is no amdgpu GPU here: validating the harness on a MOCK {machine.mock_gpu}.",
            file=sys.stderr,
            flush=True,
        )
        return _on_mock(machine, suite, rest)
    node = select_gpu(machine.gpu)
    # Fail now if it cannot be opened: in one sentence, not once per test.
    os.close(open_node(node.node))
    return _run_pytest(MachineChoice(gpu=node.node), _kept(suite, Path(node.node).name), rest)


def _on_mock(machine: MachineChoice, suite: SuiteOptions, rest: Sequence[str]) -> int:
    """Do the same again on a mock machine: from inside, it is a machine with a GPU."""
    arguments = [*machine.on_it().argv(), *_kept(suite, machine.subject()).argv()]
    command = [sys.executable, "-m", "amdgpu_hw", "validate", *arguments, *rest]
    return run_on_mock(command, [machine.mock_gpu], machine)


def _on_guest(guest: GuestChoice, machine: MachineChoice, suite: SuiteOptions, rest: Sequence[str]) -> int:
    """Do the same again on a guest machine, whose processors may be emulated ones."""
    kept = _kept(suite, guest.subject(machine.gpu))
    patience = f"{PREFIX}timeout={GUEST_TEST_TIMEOUT_S}"
    written = [*kept.written, *([kept.write_expectations / "x"] if kept.write_expectations else [])]
    return again_on_guest(["validate", *kept.argv(), patience, *rest], guest, machine, written)


def _run_pytest(machine: MachineChoice, suite: SuiteOptions, rest: Sequence[str]) -> int:
    tests = suite_directory()
    arguments = [
        *_QUIET,
        *_ALONE,
        f"--confcutdir={tests}",
        f"--rootdir={tests.parents[1]}",
        *machine.argv(PREFIX),
        *suite.argv(PREFIX),
        f"{PREFIX}require-proof",
    ]
    arguments += rest if _names_tests(rest) else [*rest, str(tests)]
    status = int(pytest.main(arguments))
    # pytest's own codes: 3 an error inside, 4 wrong usage, 5 nothing collected.
    return status if status in (0, 1) else UNUSABLE


def _names_tests(rest: Sequence[str]) -> bool:
    return any(Path(argument.partition("::")[0]).suffix == ".py" for argument in rest)


def _kept(suite: SuiteOptions, subject: str) -> SuiteOptions:
    """The same with a result file, if none was asked for: one that is named after what is validated, and when."""
    name = f"validate-{subject}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    return suite if suite.written else replace(suite, results=(Path("results") / name,))
