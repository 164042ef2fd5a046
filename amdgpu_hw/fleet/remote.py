# SPDX-License-Identifier: MIT
"""The agent on a box, called from here: what it answers as values, what it complains of as errors."""

from __future__ import annotations

import base64
import json
import shlex
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amdgpu_hw.decode import JSON, DecodeError, decode
from amdgpu_hw.fleet import agent
from amdgpu_hw.fleet.box import Box, BoxFailed, Unreachable
from amdgpu_hw.fleet.plan import TimeLimits

__all__ = ("DiskFull", "HeldByOther", "Hello", "Remote", "RunProgress")

_LEAST_PYTHON = (3, 11)

_NO_SPACE = "No space left"
"""What programs call ENOSPC; where a box says it in another language its words are shown, and no disk is blamed."""

_STOP_S = 60
"""More than the agent waits for a run that it stops."""


class HeldByOther(BoxFailed):
    """Somebody else's run is on the box."""


class DiskFull(BoxFailed):
    """There is no space left on the box."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What the box is; ``free`` in bytes, ``held_by`` who has a run there, or empty."""

    release: str
    boot_id: str
    python: tuple[int, ...]
    free: int
    home: str
    held_by: str

    def require_free(self) -> None:
        """Raise `HeldByOther` if somebody has a run there."""
        if self.held_by:
            raise _held(self.held_by)


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is: ``absent``, ``running``, ``ended``, or ``died`` without a word."""

    state: str
    log: str
    free: int
    seen: int
    result: str | None
    """The result file, if it has changed since the last look."""
    status: int | None = None
    timed_out: bool = False
    stopped: bool = False


class Remote:
    """The agent in one directory of a box. Every call raises `Unreachable` and `BoxFailed`."""

    def __init__(self, box: Box, python: str, directory: str, limits: TimeLimits) -> None:
        self._box = box
        self._python = python
        self._directory = directory
        self._limits = limits
        self._home = ""

    def hello(self) -> Hello:
        """Put the agent there and ask what the box is."""
        status, out, complaint = self._box.run(
            f"mkdir -p -- {shlex.quote(self._directory)} && cd -- {shlex.quote(self._directory)} && pwd",
            self._limits.answer,
        )
        lines = out.split()
        if status or not lines:
            raise _failed(f"{self._directory} cannot be made: {complaint.strip()}")
        self._home = lines[-1]
        self._put(Path(agent.__file__), self._path("agent.py"), self._limits.answer)
        hello: Hello = self._as(Hello, self._call("hello", self._limits.answer))
        if hello.python < _LEAST_PYTHON:
            found = ".".join(map(str, hello.python))
            raise BoxFailed(
                f"its {self._python} is of version {found}: name one from 3.11 on with python = in the plan"
            )
        return hello

    def prepare(self, wheel: Path, digest: str, wheels: Sequence[Path]) -> str:
        """Have the package installed there; returns its program."""
        program = str(self._call("program", self._limits.answer, digest=digest)["program"])
        if program:
            return program
        for each in (wheel, *wheels):
            self._put(each, self._path(each.name), self._limits.prepare)
        answer = self._call(
            "prepare",
            self._limits.prepare,
            wheel=self._path(wheel.name),
            digest=digest,
            wheels=self._home if wheels else None,
        )
        return str(answer["program"])

    def put_file(self, file: Path) -> str:
        """Copy a file to the box, in place of the one before; returns where it is. Raises `HeldByOther`."""
        self.hello().require_free()  # whoever has a run there may be using the one before
        directory = self._path("files")
        quoted = shlex.quote(directory)
        status, _, complaint = self._box.run(f"rm -rf -- {quoted} && mkdir -- {quoted}", self._limits.answer)
        if status:
            raise _failed(f"{directory} cannot be made: {complaint.strip()}")
        remote = f"{directory}/{file.name}"
        self._put(file, remote, self._limits.prepare)
        return remote

    def run_path(self, run: str, name: str) -> str:
        """Where a file of a run is on the box."""
        return self._path("runs", run, name)

    def start(self, run: str, holder: str, command: Sequence[str]) -> None:
        """Start a run; harmless if it is running. Raises `HeldByOther`."""
        answer = self._call(
            "start", self._limits.answer, run=run, holder=holder, command=list(command), limit_s=self._limits.validate
        )
        if "held_by" in answer:
            raise _held(answer["held_by"])

    def poll(self, run: str, seen: int) -> RunProgress:
        """Look at a run."""
        answer = self._call("poll", self._limits.answer, run=run, seen=seen)
        if answer.get("result"):
            answer["result"] = zlib.decompress(base64.b64decode(answer["result"])).decode("utf-8", "replace")
        progress: RunProgress = self._as(RunProgress, answer)
        return progress

    def stop(self, run: str, kill: bool) -> bool:
        """End a run; whether that worked."""
        return bool(self._call("stop", _STOP_S + self._limits.answer, run=run, kill=kill)["stopped"])

    def fetch(self, run: str, archive: Path) -> None:
        """Fetch all that a run has left, as an archive, and remove it there."""
        packed = self._call("pack", self._limits.prepare, run=run)["file"]
        self._box.get(packed, archive, self._limits.prepare)

    def forget(self, run: str) -> None:
        """Remove a run there."""
        self._call("forget", self._limits.answer, run=run)

    def _put(self, file: Path, remote: str, timeout_s: float) -> None:
        try:
            self._box.put(file, remote, timeout_s)
        except BoxFailed as error:
            raise _failed(str(error)) from None

    def _path(self, *parts: str) -> str:
        return "/".join((self._home, *parts))

    def _call(self, name: str, timeout_s: float, **given: Any) -> dict[str, Any]:
        # What is installed there matters to `prepare` alone; without a look at it Python starts in half the time.
        quick = () if name == "prepare" else ("-S", "-E")
        words = (self._python, *quick, self._path("agent.py"), name, json.dumps({"home": self._home, **given}))
        status, out, complaint = self._box.run(shlex.join(words), timeout_s)
        line = next((line for line in reversed(out.splitlines()) if line.startswith("{")), "")
        try:
            answer = json.loads(line)
        except ValueError:
            last = (complaint.strip() or out.strip() or "nothing was said about it").splitlines()[-1]
            full = _NO_SPACE in complaint
            raise _failed(f"{self._python} on the box ended with {status}: {last}", full) from None
        if not isinstance(answer, dict):
            raise Unreachable(f"the box answered {line!r}")
        if "error" in answer:
            raise _failed(str(answer["error"]), bool(answer.get("full")))
        return answer

    def _as(self, kind: Any, answer: dict[str, Any]) -> Any:
        try:
            return decode(kind, answer, "", JSON)
        except DecodeError as error:
            raise BoxFailed(f"the agent on the box answers otherwise than it must: {error}") from None


def _held(by: str) -> HeldByOther:
    return HeldByOther(f"the box is held by {by}")


def _failed(what: str, full: bool = False) -> BoxFailed:
    """Say which error it is; ``full``: what is left out of ``what`` says that there is no space."""
    return DiskFull(f"its disk is full: {what}") if full or _NO_SPACE in what else BoxFailed(what)
