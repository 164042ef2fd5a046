# SPDX-License-Identifier: MIT
"""``amdgpu-hw validate``: run tests/hw, print the verdict, keep the results."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.cli.machine_options import add_machine_options, asks_for_mock, mock_subject
from amdgpu_hw.discovery import list_gpus, open_node, select_gpu
from amdgpu_hw.gate import GATE_NAMES
from amdgpu_hw.mock.machine import DEFAULT_GPU
from amdgpu_hw.mock.planting import kernel_of
from amdgpu_hw.on_mock import OPTIONAL_DEVICES, UNUSABLE, run_on_mock
from amdgpu_hw.shipped import expectations_directory, suite_directory

__all__ = ("add_commands",)

EXPECTATIONS = Path("expectations")
"""Stands for the expectations that come with the package."""

# This package is imported before pytest can rewrite the asserts in it; there are none to rewrite.
_REWRITE_WARNING = "Module already imported so cannot be rewritten"

# What pytest prints by itself is for people who write tests: here the verdict table follows. Options that the user
# gives come later, so they win.
_QUIET = ("-q", "--no-header", "--tb=no", "-rN", "-p", "no:cacheprovider", "-W", f"ignore:{_REWRITE_WARNING}")

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
        usage="amdgpu-hw validate [--gpu GPU] [--mock [NAME]] [--kernel VARIANT] [--gate NAME] [--results FILE] "
        "[--bug NAME]... [--parameter NAME=NUMBER]... [--without DEVICE] [--allow-faults] [--expectations [DIR]] "
        "[--write-expectations DIR] [PYTEST ARGS]",
        allow_abbrev=False,
    )
    add_machine_options(parser)
    parser.add_argument(
        "--without",
        choices=OPTIONAL_DEVICES,
        action="append",
        default=[],
        help="leave a device out (implies --mock)",
    )
    parser.add_argument("--gate", choices=GATE_NAMES, help="hold work with this kind of gate (default: the safest)")
    parser.add_argument("--results", metavar="FILE", type=Path, help="the result file (default: one in results/)")
    parser.add_argument(
        "--allow-faults",
        action="store_true",
        help="also run tests that may make the GPU fault or hang, or hold up others on it",
    )
    parser.add_argument(
        "--expectations",
        metavar="DIR",
        type=Path,
        nargs="?",
        const=EXPECTATIONS,
        help="go by known findings: they do not fail the run, surprises do (default: the package's own)",
    )
    parser.add_argument(
        "--write-expectations", metavar="DIR", type=Path, help="write drafts of expectations, for you to add reasons"
    )
    parser.set_defaults(run=run_validate, takes_rest=True)


def run_validate(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Validate the GPU that is asked for, or the mock one; the exit status is the verdict."""
    if asks_for_mock(options) or options.without:
        return _on_mock(options, rest)
    if options.gpu is None and not list_gpus():
        print(
            f"There is no amdgpu GPU here: validating the harness on a MOCK {DEFAULT_GPU}.", file=sys.stderr, flush=True
        )
        return _on_mock(options, rest)
    node = select_gpu(options.gpu)
    # Fail now if it cannot be opened: in one sentence, not once per test.
    os.close(open_node(node.node))
    return _run_pytest(options, node.node, rest)


def _on_mock(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do the same again on a mock machine: from inside, it is a machine with a GPU."""
    gpu, kernel = options.mock or DEFAULT_GPU, options.kernel or kernel_of(options.bug)
    subject = mock_subject(options, gpu, kernel)
    command = [sys.executable, "-m", "amdgpu_hw", "validate", f"--results={_result_file(options, subject)}"]
    command += [f"--gpu={options.gpu}"] if options.gpu else []
    command += [f"--gate={options.gate}"] if options.gate else []
    command += ["--allow-faults"] if options.allow_faults else []
    command += _expectation_options(options, "--")
    return run_on_mock(
        [*command, *rest], [gpu], kernel, options.without, bugs=options.bug, parameters=dict(options.parameter)
    )


def _run_pytest(options: argparse.Namespace, node: str, rest: Sequence[str]) -> int:
    tests = suite_directory()
    arguments = [
        *_QUIET,
        *_ALONE,
        f"--confcutdir={tests}",
        f"--rootdir={tests.parents[1]}",
        f"--amdgpu-gpu={node}",
        f"--amdgpu-results={_result_file(options, Path(node).name)}",
        "--amdgpu-require-proof",
    ]
    arguments += [f"--amdgpu-gate={options.gate}"] if options.gate else []
    arguments += ["--amdgpu-allow-faults"] if options.allow_faults else []
    arguments += _expectation_options(options, "--amdgpu-")
    arguments += rest if _names_tests(rest) else [*rest, str(tests)]
    status = int(pytest.main(arguments))
    # pytest's own codes: 3 an error inside, 4 wrong usage, 5 nothing collected.
    return status if status in (0, 1) else UNUSABLE


def _expectation_options(options: argparse.Namespace, prefix: str) -> list[str]:
    """What to hand on to a validation on a mock machine, or to pytest."""
    given: dict[str, Path | None] = {
        "expectations": expectations_directory() if options.expectations is EXPECTATIONS else options.expectations,
        "write-expectations": options.write_expectations,
    }
    return [f"{prefix}{name}={path}" for name, path in given.items() if path is not None]


def _names_tests(rest: Sequence[str]) -> bool:
    return any(Path(argument.partition("::")[0]).suffix == ".py" for argument in rest)


def _result_file(options: argparse.Namespace, subject: str) -> Path:
    if options.results is not None:
        path: Path = options.results
        return path
    return Path("results") / f"validate-{subject}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
