# SPDX-License-Identifier: MIT
"""Programs that nobody here wrote, run on a mock machine as they are."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from amdgpu_hw.mock.machine import Machine

__all__ = (
    "BOUND_TILES",
    "Outcome",
    "RunClient",
    "compiled_sparse_binding",
    "compiled_vulkan",
    "plain_environment",
    "program",
    "require_radv",
    "run_client",
)

_HERE = Path(__file__).parent
TIMEOUT_S = 120
TROUBLE = ("page fault", "Illegal", "timeout", "reset", "Oops")
"""Words of the mock kernel's log that no well-behaved program causes."""

BOUND_TILES = (
    "ok: bound tiles keep data",
    "ok: unbinding a tile leaves its memory and its neighbours alone",
    "ok: a rebound tile shows the new memory",
    "ok: work in flight sees the old memory, later work the new one",
    "ok: a random walk of binds and writes agrees with the model",
)
"""What the sparse-binding program says of memory that is bound."""


@dataclass(frozen=True)
class Outcome:
    """What a program printed, and what the machine's kernel logged meanwhile."""

    output: str
    errors: str
    log: str

    @property
    def lines(self) -> list[str]:
        """The output's lines without their indentation."""
        return [line.strip() for line in self.output.splitlines()]

    def __str__(self) -> str:
        return f"stdout:\n{self.output}\nstderr:\n{self.errors}\nlog of the kernel:\n{self.log}"


RunClient = Callable[..., Outcome]
"""``run(gpus, program, *arguments, status=0)``."""


def run_client(
    gpus: Sequence[str], command: Sequence[str | Path], environment: Mapping[str, str], status: int | None = 0
) -> Outcome:
    """Run a program on a fresh machine; it must end with this exit status (None: any) and no trouble in the log."""
    with Machine(gpus) as machine:
        result = subprocess.run(
            command,
            env=machine.environ(environment),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        machine.check()
        outcome = Outcome(result.stdout, result.stderr, machine.log())
    assert status in (None, result.returncode), f"{command[0]} ended with {result.returncode}\n{outcome}"
    trouble = [line for line in outcome.log.splitlines() if any(word in line for word in TROUBLE)]
    assert not trouble, f"{command[0]} made the mock kernel log {trouble}\n{outcome}"
    return outcome


def plain_environment(home: Path) -> dict[str, str]:
    """Our environment without a desktop, and with caches that are empty."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return environment | {"XDG_CACHE_HOME": str(home), "XDG_RUNTIME_DIR": str(home)}


def program(package: str, *names: str) -> str:
    """Path of an installed program, by the first of its names that exists; skips the test when there is none."""
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    pytest.skip(f"{names[0]} (Debian: {package}) is not installed; scripts/test installs it")


def require_radv() -> None:
    """Skip the test where RADV is not installed."""
    if not any(Path("/usr/share/vulkan/icd.d").glob("radeon_icd*.json")):
        pytest.skip("RADV (Debian: mesa-vulkan-drivers) is not installed; scripts/test installs it")


def compiled_sparse_binding(directory: Path) -> Path:
    """The sparse-binding program, compiled into a directory; skips the test where it cannot be."""
    return compiled_vulkan("sparse_binding", directory)


def compiled_vulkan(name: str, directory: Path) -> Path:
    """One of our Vulkan programs, compiled into a directory; skips the test where it cannot be."""
    headers = ["gcc", "-E", "-include", "vulkan/vulkan.h", "-x", "c", "/dev/null"]
    if subprocess.run(headers, capture_output=True, check=False).returncode:
        pytest.skip("the Vulkan headers (Debian: libvulkan-dev) are not installed; scripts/test installs them")
    binary = directory / name
    sources = [_HERE / f"{name}.c", _HERE / "vulkan_device.c"]
    command: list[str | Path] = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", *sources, "-lvulkan", "-o", binary]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{name} cannot be compiled:\n{result.stderr}"
    return binary
