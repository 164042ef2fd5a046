# SPDX-License-Identifier: MIT
"""The kernels that a bisection goes over: those of a plan, in its order, or the commits of a git tree."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.plan import FleetPlan, PlannedKernel

__all__ = ("Candidates", "OfPlan", "OfTree")


class Candidates(Protocol):
    """A line of kernels."""

    @property
    def names(self) -> Sequence[str]:
        """From the good one to the bad one."""

    def kernel(self, name: str) -> PlannedKernel | str:
        """How a place comes to run it; or a sentence why none can."""


class OfPlan:
    """The kernels of a plan from one to another. Raises `HarnessError` where it does not have them."""

    def __init__(self, plan: FleetPlan, good: str, bad: str) -> None:
        names = [each.name for each in plan.kernel]
        for name in (good, bad):
            if name not in names:
                raise HarnessError(f"the plan has no kernel '{name}'; there are: {', '.join(names)}")
        self._plan = plan
        self._names = names[names.index(good) : names.index(bad) + 1]

    @property
    def names(self) -> Sequence[str]:
        """In the order of the plan."""
        return self._names

    def kernel(self, name: str) -> PlannedKernel | str:
        """It as the plan has it."""
        return self._plan.kernel_named(name)


class OfTree:
    """The commits of a git tree, first parents only, built in a work tree of their own. Raises `HarnessError`.

    The command runs in the work tree. It puts what the box needs into the file ``$FILES``, which ``like`` finds as its
    own ``$FILES``; where that is booted, the last word that it prints is what ``uname -r`` will say.
    """

    def __init__(self, tree: Path, good: str, bad: str, build: str, like: PlannedKernel, directory: Path) -> None:
        self._tree, self._build, self._like, self._directory = tree, build, like, directory
        first = self._git("rev-parse", "--verify", f"{good}^{{commit}}").strip()
        rest = self._git("rev-list", "--reverse", "--first-parent", f"{good}..{bad}").split()
        self._commits = {commit[:12]: commit for commit in (first, *rest)}
        self._work = directory / "tree"

    @property
    def names(self) -> Sequence[str]:
        """Short hashes, the oldest first."""
        return list(self._commits)

    def kernel(self, name: str) -> PlannedKernel | str:
        """Build it."""
        if self._work.exists():
            self._git("-C", str(self._work), "checkout", "-q", "--detach", self._commits[name])
        else:
            self._git("worktree", "add", "-q", "--detach", str(self._work), self._commits[name])
        files = self._directory / f"{name}-{Path(self._like.files or 'files').name}"
        done = subprocess.run(
            self._build,
            shell=True,
            cwd=self._work,
            env={**os.environ, "FILES": str(files)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        (self._directory / f"{name}.build.log").write_text(done.stdout + done.stderr)
        lines = done.stdout.split()
        log = f"see {self._directory / f'{name}.build.log'}"
        if done.returncode:
            return f"the build command ended with {done.returncode}: {log}"
        if self._like.files and not files.exists():
            return f"the build command left nothing in $FILES: {log}"
        if self._like.boot and not lines:
            return f"the build command did not print what uname -r will say: {log}"
        release = lines[-1] if self._like.boot else ""
        return replace(self._like, name=name, release=release, files=str(files) if files.exists() else "")

    def close(self) -> None:
        """Remove the work tree."""
        if self._work.exists():
            self._git("worktree", "remove", "--force", str(self._work))

    def _git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", "-C", self._tree, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr.strip() or "nothing was said about it").splitlines()[-1]
            raise HarnessError(f"git {words[0]} in {self._tree} failed: {last}")
        return done.stdout
