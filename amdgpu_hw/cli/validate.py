# SPDX-License-Identifier: MIT
"""``amdgpu-hw validate``: run tests/hw, print the verdict, keep the results."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.atomic_file import claim_file
from amdgpu_hw.cli.machine_options import add_machine_options
from amdgpu_hw.discovery import open_node, select_gpu
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.on_guest import again_on_guest
from amdgpu_hw.on_mock import run_on_mock
from amdgpu_hw.options.guest import GuestChoice
from amdgpu_hw.options.machine import MachineChoice, MachineKind
from amdgpu_hw.options.suite import PREFIX, SessionOptions, SuiteOptions
from amdgpu_hw.proof.collector import STATUS
from amdgpu_hw.shipped import suite_directory

__all__ = ("add_commands",)

# This package is imported before pytest can rewrite the asserts in it; there are none to rewrite.
_REWRITE_WARNING = "Module already imported so cannot be rewritten"

# What pytest prints by itself is for people who write tests: here the verdict table follows. Options that the user
# gives come later, so they win.
_QUIET = (
    "-qq",
    *("--no-header", "--tb=no", "-rN", "-o", "console_output_style=classic"),
    *("-p", "no:labgrid"),  # where a fleet is run from, importing its plugin takes 0.4 s
    *("-p", "no:cacheprovider", "-W", f"ignore:{_REWRITE_WARNING}"),
)

GUEST_TEST_TIMEOUT_S = 120.0
"""On a busy machine without KVM, tests that draw many programs take longer than elsewhere."""

_OF_PYTEST: Mapping[int, ExitStatus] = {
    pytest.ExitCode.OK: ExitStatus.PROVEN,
    pytest.ExitCode.TESTS_FAILED: ExitStatus.BROKEN,
    pytest.ExitCode.USAGE_ERROR: ExitStatus.UNUSABLE,
    pytest.ExitCode.NO_TESTS_COLLECTED: ExitStatus.UNUSABLE,
}
"""What pytest's statuses mean where no run was opened: ``--help``, ``--collect-only``, a typing error, no test."""

# The verdict must not depend on a configuration of pytest that happens to lie above an installed package.
_ALONE = ("-c", os.devnull)


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "validate",
        help="run the tests, print the verdict",
        description=(
            "Runs tests/hw on a GPU of this machine, or on a mock or guest machine where that is asked for, prints the "
            "verdict and writes the results as JSON. Further arguments are pytest's, e.g. -k prt."
        ),
        usage="amdgpu-hw validate [OPTIONS] [PYTEST ARGS]",
        allow_abbrev=False,
    )
    add_machine_options(parser, "gpu_time")
    SuiteOptions.declare(parser.add_argument, filled=True)
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="print all rows with what was done and seen, not the summary"
    )
    parser.set_defaults(run=run_validate, takes_rest=True)


def run_validate(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Validate the GPU that is asked for, or the mock one; the exit status is the verdict."""
    machine, suite, guest = MachineChoice.of(options), SuiteOptions.of(options), GuestChoice.of(options)
    rest = [*rest, SessionOptions.spelled("table", PREFIX)] if options.verbose else rest
    if guest.asked:
        return _on_guest(guest, machine, suite, rest)
    if machine.kind is MachineKind.MOCK:
        return _on_mock(machine, suite, rest)
    node = select_gpu(machine.gpu)
    # Fail now if it cannot be opened: in one sentence, not once per test.
    os.close(open_node(node.node))
    return _run_pytest(MachineChoice(gpu=node.node), _kept(suite, Path(node.node).name), rest)


def _on_mock(machine: MachineChoice, suite: SuiteOptions, rest: Sequence[str]) -> int:
    """Do the same again on a mock machine: from inside, it is a machine with a GPU."""
    arguments = [*machine.on_it().argv(), *_kept(suite, machine.subject()).argv()]
    command = [sys.executable, "-m", "amdgpu_hw", "validate", *arguments, *rest]
    return run_on_mock(command, [machine.mock_gpu], machine, ours=True)


def _on_guest(guest: GuestChoice, machine: MachineChoice, suite: SuiteOptions, rest: Sequence[str]) -> int:
    """Do the same again on a guest machine, whose processors may be emulated ones."""
    kept = _kept(suite, guest.subject(machine.gpu))
    if "timeout" not in kept.given():
        kept = replace(kept, timeout=GUEST_TEST_TIMEOUT_S)
    written = [*kept.written, *([kept.write_expectations / "x"] if kept.write_expectations else [])]
    return again_on_guest(["validate", *kept.argv(), *rest], guest, machine, written)


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
    end = _End()
    status = int(pytest.main(arguments, [end]))
    return end.status if end.status is not None else _OF_PYTEST.get(status, ExitStatus.INCOMPLETE)


class _End:
    """A plugin that knows what a run ended with; of pytest's own statuses some mean something else."""

    status: ExitStatus | None = None

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Ask for it when all is done."""
        self.status = config.stash.get(STATUS, None)


def _names_tests(rest: Sequence[str]) -> bool:
    return any(Path(argument.partition("::")[0]).suffix == ".py" for argument in rest)


def _kept(suite: SuiteOptions, subject: str) -> SuiteOptions:
    """The same with a new result file, named after what is validated, where none was asked for or a directory.

    A run that is gone on with has its file, also where a directory is named.
    """
    if suite.resume is not None:
        return replace(suite, results=tuple(path for path in suite.results if not path.is_dir()))
    wanted = suite.results or (Path("results"),)
    files = tuple(_claimed(path, subject) if path.is_dir() or not suite.results else path for path in wanted)
    return replace(suite, results=files)


def _claimed(directory: Path, subject: str) -> Path:
    """A file of this run alone. Raises `HarnessError`."""
    try:
        return claim_file(directory, f"validate-{subject}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}", ".json")
    except OSError as error:
        raise HarnessError(
            f"no result file can be made in {directory}: {error.strerror}; name another place with --results"
        ) from None
