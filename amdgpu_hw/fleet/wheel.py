# SPDX-License-Identifier: MIT
"""The wheel that goes onto the boxes: the one that is named, or one that is built of this checkout."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.conduct import Installable
from amdgpu_hw.fleet.plan import FleetPlan

__all__ = ("find_wheel",)

_CHECKOUT = Path(__file__).parents[2]
_NOT_TO_BUILD = (".git", ".venv", "build", "dist", "results", "*.egg-info", "__pycache__", "*.so", ".mypy_cache")
_BUILD_S = 600


def find_wheel(plan: FleetPlan, directory: Path) -> Installable:
    """What the boxes are to install; a wheel that has to be built is put into ``directory``. Raises `HarnessError`."""
    wheel = Path(plan.wheel) if plan.wheel else _built(directory)
    try:
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()[:16]
        wheels = tuple(sorted(Path(plan.wheels).glob("*.whl"))) if plan.wheels else ()
    except OSError as error:
        raise HarnessError(f"the wheel {wheel} cannot be read: {error.strerror}") from None
    if plan.wheels and not wheels:
        raise HarnessError(f"there are no wheels in {plan.wheels}: 'pip download -d' that directory the wheel's needs")
    return Installable(wheel, digest, wheels)


def _built(directory: Path) -> Path:
    if not (_CHECKOUT / "pyproject.toml").exists():
        raise HarnessError("this is no checkout to build a wheel of: name one with wheel = in the plan, or --wheel")
    with tempfile.TemporaryDirectory(prefix="amdgpu-hw-wheel-") as temporary:
        # In the checkout itself an earlier build may have left files of modules that are gone.
        copy = Path(temporary) / "checkout"
        shutil.copytree(_CHECKOUT, copy, ignore=shutil.ignore_patterns(*_NOT_TO_BUILD), symlinks=True)
        return _built_of(copy, directory)


def _built_of(checkout: Path, directory: Path) -> Path:
    target = directory / "wheel"
    for old in target.glob("*.whl"):
        old.unlink()
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "wheel",
        "--no-deps",
        "-q",
        "-w",
        target,
    ]
    # Where the tools to build with are installed, nothing is fetched.
    for isolation in (["--no-build-isolation"], []):
        done = subprocess.run(
            [*command, *isolation, checkout], capture_output=True, text=True, timeout=_BUILD_S, check=False
        )
        if done.returncode == 0:
            return next(target.glob("*.whl"))
    last = (done.stderr.strip() or done.stdout.strip() or "nothing was said about it").splitlines()[-1]
    raise HarnessError(f"no wheel could be built of {_CHECKOUT}: {last}")
