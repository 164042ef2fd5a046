# SPDX-License-Identifier: MIT
"""The pytest plugin: options, and a whole session moved onto a mock machine when asked.

It is loaded into every run of pytest where this package is installed, so it has no fixture, no marker, nothing to say,
and imports nothing of libdrm. All of that comes with a suite (`amdgpu_hw.proof.suite`).
"""

from __future__ import annotations

import sys

import pytest

from amdgpu_hw.options.machine import MOCK, MachineChoice, MachineKind
from amdgpu_hw.options.suite import PREFIX, SessionOptions

__all__ = ()

_MOCK = MachineChoice.spelled(MOCK, PREFIX)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add = parser.getgroup("amdgpu_hw", "tests of amdgpu kernel behaviour").addoption
    MachineChoice.declare(add, PREFIX, without=("gpu_time",), notes={MOCK: f" (only with {_MOCK})"}, details=False)
    SessionOptions.declare(add, PREFIX, details=False)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(args: list[str]) -> None:
    """Read ``--amdgpu-mock tests/hw`` as a flag and a path: only ``--amdgpu-mock=NAME`` gives a name."""
    args[:] = [f"{arg}={MachineChoice.bare(MOCK)}" if arg == _MOCK else arg for arg in args]


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Move the session onto a mock machine if one is asked for."""
    machine = MachineChoice.of(config.option, PREFIX)
    if machine.kind is MachineKind.REAL:
        return None
    if machine.mock is None:
        option = machine.spelled(machine.given_for_mock()[0], PREFIX)
        raise pytest.UsageError(f"{option} is for a mock machine: give {_MOCK} too")
    from amdgpu_hw.on_mock import run_on_mock

    # The last one wins, also over the addopts of an ini file: inside, no other machine is asked for.
    arguments = [*config.invocation_params.args, *machine.nothing(PREFIX)]
    return run_on_mock([sys.executable, "-m", "pytest", *arguments], [machine.mock_gpu], machine)
