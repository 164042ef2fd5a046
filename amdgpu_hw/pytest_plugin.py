# SPDX-License-Identifier: MIT
"""The pytest plugin: options, and a whole session moved onto a mock machine when asked.

The fixtures are in `amdgpu_hw.proof.fixtures`, what collects the verdict in `amdgpu_hw.proof.collector`. Sessions
without tests of behaviour are left alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest

from amdgpu_hw.gate import GATE_NAMES
from amdgpu_hw.proof import ALLOW_FAULTS
from amdgpu_hw.proof.behaviour import MARKER
from amdgpu_hw.proof.collector import Collector
from amdgpu_hw.proof.must import WATCH_NS
from amdgpu_hw.proof.units import ms

__all__ = ()

pytest_plugins = ("amdgpu_hw.proof.fixtures",)

DEFAULT_MOCK = "navi31"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("amdgpu_hw", "tests of amdgpu kernel behaviour")
    group.addoption(
        "--amdgpu-gpu", metavar="GPU", help="the GPU to test: PCI address, render node or name (default: the first)"
    )
    group.addoption(
        "--amdgpu-mock",
        metavar="NAME",
        nargs="?",
        const=DEFAULT_MOCK,
        help=f"run the whole session on a mock machine with this GPU ({DEFAULT_MOCK} if no name is given)",
    )
    group.addoption("--amdgpu-kernel", metavar="VARIANT", help="the mock machine's kernel (only with --amdgpu-mock)")
    group.addoption(
        "--amdgpu-bug",
        metavar="NAME[,NAME]",
        help="plant bugs in the mock machine's kernel (only with --amdgpu-mock); 'amdgpu-hw bugs' lists them",
    )
    group.addoption(
        "--amdgpu-parameter",
        metavar="NAME=NUMBER[,...]",
        help="module parameters of the mock machine's amdgpu (only with --amdgpu-mock)",
    )
    group.addoption("--amdgpu-gate", metavar="NAME", help=f"hold work with this kind of gate: {', '.join(GATE_NAMES)}")
    group.addoption(
        "--amdgpu-allow-faults",
        action="store_true",
        default=os.environ.get(ALLOW_FAULTS, "0") not in ("", "0"),
        help=f"also run tests that may make the GPU fault or hang, or hold up others on it (or set {ALLOW_FAULTS}=1)",
    )
    group.addoption(
        "--amdgpu-stress",
        action="store_true",
        help="do what is done many times for long: 10000 cycles, thousands of drawn programs; minutes per test",
    )
    group.addoption(
        "--amdgpu-watch",
        metavar="MS",
        type=_milliseconds,
        default=WATCH_NS,
        help=f"watch so long what must not happen while work is in flight (default: {WATCH_NS // ms(1)})",
    )
    group.addoption(
        "--amdgpu-results", metavar="FILE", action="append", default=[], help="write the results here, as JSON"
    )
    group.addoption(
        "--amdgpu-expectations",
        metavar="DIR",
        type=Path,
        help="go by the expectations in DIR: findings they name do not fail the run, surprises do",
    )
    group.addoption(
        "--amdgpu-write-expectations",
        metavar="DIR",
        type=Path,
        help="write drafts of expectations to DIR, for what does not hold and is not expected there yet",
    )
    group.addoption(
        "--amdgpu-require-proof", action="store_true", help="exit with 2 if nothing could be proven (nothing testable)"
    )
    group.addoption(
        "--amdgpu-timeout",
        metavar="SECONDS",
        type=float,
        default=20.0,
        help="open all gates and fail a test after so long (default: 20)",
    )


def _milliseconds(text: str) -> int:
    """Nanoseconds in what the command line has in milliseconds."""
    try:
        nanoseconds = ms(float(text))
    except (ValueError, OverflowError):
        nanoseconds = 0
    if nanoseconds < 1:
        raise argparse.ArgumentTypeError(f"must be a time in milliseconds, not '{text}'")
    return nanoseconds


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(args: list[str]) -> None:
    """Read ``--amdgpu-mock tests/hw`` as a flag and a path: only ``--amdgpu-mock=NAME`` gives a name."""
    args[:] = [f"{arg}={DEFAULT_MOCK}" if arg == "--amdgpu-mock" else arg for arg in args]


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Move the session onto a mock machine if one is asked for."""
    option = config.option
    if not option.amdgpu_mock:
        if option.amdgpu_kernel:
            raise pytest.UsageError("--amdgpu-kernel chooses a mock machine's kernel: give --amdgpu-mock too")
        if option.amdgpu_bug:
            raise pytest.UsageError("--amdgpu-bug plants a bug in a mock machine's kernel: give --amdgpu-mock too")
        if option.amdgpu_parameter:
            raise pytest.UsageError("--amdgpu-parameter is for a mock machine's driver: give --amdgpu-mock too")
        return None
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.params import parse_parameters
    from amdgpu_hw.on_mock import run_on_mock

    # The last one wins, also over the addopts of an ini file: inside, no other machine is asked for.
    nothing = ("--amdgpu-mock=", "--amdgpu-kernel=", "--amdgpu-bug=", "--amdgpu-parameter=")
    arguments = [*config.invocation_params.args, *nothing]
    bugs = option.amdgpu_bug.split(",") if option.amdgpu_bug else []
    try:
        parameters = parse_parameters(option.amdgpu_parameter or "")
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    command = [sys.executable, "-m", "pytest", *arguments]
    return run_on_mock(command, [option.amdgpu_mock], option.amdgpu_kernel, bugs=bugs, parameters=parameters)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let ``-k B09`` choose by row: people know the row of a verdict better than the name of its test."""
    marker = item.get_closest_marker(MARKER)
    if marker is not None:
        item.extra_keyword_matches.add(marker.args[0].row)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and collect the verdict."""
    config.addinivalue_line("markers", f"{MARKER}(value): what the test proves; use amdgpu_hw.proof.behaviour")
    config.pluginmanager.register(Collector(config), "amdgpu_hw verdict")
