# SPDX-License-Identifier: MIT
"""A running mock machine, and programs on it whose output is read."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from amdgpu_hw.mock.machine import Machine


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine with two GPUs."""
    with Machine(["navi31", "mi300x"]) as machine:
        yield machine


@pytest.fixture
def output_of(machine: Machine) -> Callable[[str | list[str]], list[str]]:
    """Run a command (a list) or a Python script (a string) on the machine and return the lines it printed."""

    def run(program: str | list[str]) -> list[str]:
        command = [sys.executable, "-c", program] if isinstance(program, str) else program
        result = subprocess.run(command, env=machine.environ(), capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 0, f"{command[0]} ended with {result.returncode}: {result.stdout}{result.stderr}"
        return result.stdout.splitlines()

    return run
