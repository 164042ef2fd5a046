# SPDX-License-Identifier: MIT
"""A run's results and the file that keeps them.

The file is complete before and after every case: it is written beside its name, flushed to the disk and renamed, so
neither a crash of the tests nor of the kernel under test costs what was already known, and the case that was running
is the last one in it (`Results.suspect`).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amdgpu_hw.atomic_file import replace_file
from amdgpu_hw.decode import JSON, DecodeError, decode
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.verdict.machine import MachineDescription
from amdgpu_hw.verdict.model import Case, Outcome, Verdict, verdict_of

__all__ = ("FORMAT", "FORMAT_VERSION", "READABLE_VERSIONS", "ResultFile", "Results", "load_content", "read_results")

FORMAT = "amdgpu_hw verdict"
FORMAT_VERSION = 2
"""Goes up when a reader of an older version would misunderstand the file."""

READABLE_VERSIONS = (1, 2)
"""Version 1 has no fingerprint, no incidents and nothing of the kernel's log."""


@dataclass(slots=True)
class Results:
    """Everything about one run.

    ``gpu`` is the GPU's identity, ``probes`` what kernel and GPU can do (name -> supported, errno, why), ``gates``
    why each kind of gate cannot be used (None: it can), ``gate`` the one that was, ``interrupted`` why the run
    ended early.
    """

    machine: MachineDescription
    command: list[str]
    versions: Mapping[str, str]
    gpu: Mapping[str, Any] = field(default_factory=dict)
    probes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gates: Mapping[str, str | None] = field(default_factory=dict)
    gate: str | None = None
    cases: list[Case] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    finished: datetime | None = None
    interrupted: str | None = None
    expectations: list[str] | None = None
    """The files of expectations that the run goes by; None if it goes by none."""
    options: Sequence[str] = ()
    """The options that the run's cases depend on, as ``amdgpu-hw validate`` takes them."""
    other_gpus: Sequence[str] = ()
    """The GPUs of the machine that were not tested."""
    expectation_faults: list[str] = field(default_factory=list)
    """Entries in them that mean nothing here, a sentence each; they fail the run."""
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    """Kernel, driver, GPU, libraries, clients and suite (`amdgpu_hw.evidence.fingerprint`); empty in version 1."""
    kernel_log: str = ""
    """Where the kernel's log was read, or why it was not."""
    incidents: list[Mapping[str, Any]] = field(default_factory=list)
    """Resets and hangs between cases, as `Case.incidents` and with ``before``: the test that came next."""
    resumed: list[str] = field(default_factory=list)
    """When the run was gone on with, ISO 8601 in UTC."""

    @property
    def suspect(self) -> Case | None:
        """The case during which the run ended without a word: killed, or the machine went down."""
        last = self.cases[-1] if self.cases else None
        silent = self.finished is None and self.interrupted is None
        return last if last is not None and silent and last.outcome is Outcome.UNFINISHED and not last.reason else None

    @property
    def verdict(self) -> Verdict:
        """What the cases say together; an interrupted run proves nothing unless something broke."""
        verdict = verdict_of(self.cases)
        if self.expectation_faults or verdict is Verdict.BROKEN:
            return Verdict.BROKEN
        if self.interrupted:
            return Verdict.INCOMPLETE
        return Verdict.NOTHING if verdict is Verdict.PROVEN and not self.has_series else verdict

    @property
    def has_series(self) -> bool:
        """Whether the kernel has the series under test, as far as the run has found out."""
        return bool(self.probes.get("explicit_sync", {}).get("supported", True))

    @property
    def on_the_series(self) -> str:
        """A sentence saying that nothing is said about the series, and why; empty if something is or may still be."""
        if self.interrupted or any(case.series and case.is_shown for case in self.cases):
            return ""
        if not self.has_series:
            rows = {case.row for case in self.cases if case.outcome is Outcome.HOLDS}
            rows -= {case.row for case in self.cases if not case.outcome.is_good}
            hold = f"{len(rows)} row{' ' if len(rows) == 1 else 's '}about older behaviour hold{'s' * (len(rows) == 1)}"
            return f"This kernel does not have AMDGPU_VM_EXPLICIT_SYNC: {hold}, nothing is said about the series."
        if any(case.series for case in self.cases) or not any(case.is_shown for case in self.cases):
            return "No row about the series could be tested: nothing is said about it."
        return ""

    @property
    def left_out(self) -> Mapping[str, list[str]]:
        """The rows that the run left out, by the option that takes them in."""
        rows: dict[str, dict[str, None]] = {}
        for case in self.cases:
            if case.left_out:
                rows.setdefault(case.left_out, {})[case.row] = None
        return {name: list(each) for name, each in rows.items()}

    def again(self, *words: str) -> str:
        """The command, for a shell, that does the same on the same machine and GPU, with these words behind it."""
        return shlex.join(["amdgpu-hw", "validate", *self._subject(), *self.options, *words])

    def _subject(self) -> list[str]:
        machine = self.machine
        if machine.asked:
            return list(machine.asked)
        if machine.guest_gpus:
            return ["--guest", machine.kernel.partition(" ")[0], "--gpu", machine.guest_gpus[0]]
        if not machine.is_mock:
            return ["--gpu", str(self.gpu["pci_address"])] if self.gpu else []
        return [
            *("--mock", machine.mock_gpus[0], "--kernel", machine.mock_kernel),
            *(word for name in machine.mock_bugs for word in ("--bug", name)),
            *(
                word
                for name, value in machine.mock_parameters.items()
                for word in ("--parameter", f"{name}={value:#x}")
            ),
            *(("--gpu-time", f"{machine.gpu_time:g}") if machine.gpu_time != 1 else ()),
        ]

    def count(self, outcome: Outcome) -> int:
        """How many cases ended so."""
        return [case.outcome for case in self.cases].count(outcome)

    def head_json(self) -> dict[str, Any]:
        """The content of a result file without the cases."""
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "machine": self.machine.to_json(),
            "verdict": self.verdict.name.lower(),
            "summary": {outcome.value: self.count(outcome) for outcome in Outcome},
            "interrupted": self.interrupted,
            "started": self.started.isoformat(),
            "finished": self.finished.isoformat() if self.finished else None,
            "command": self.command,
            "options": list(self.options),
            "other_gpus": list(self.other_gpus),
            "versions": dict(self.versions),
            "gpu": dict(self.gpu),
            "probes": {name: dict(probe) for name, probe in self.probes.items()},
            "gate": self.gate,
            "gates": dict(self.gates),
            "expectations": self.expectations,
            "expectation_faults": self.expectation_faults,
            "fingerprint": dict(self.fingerprint),
            "kernel_log": self.kernel_log,
            "incidents": [dict(incident) for incident in self.incidents],
            "resumed": self.resumed,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Results:
        """The results that a file's content holds, also of an older version. Raises `DecodeError`."""
        times = {name: decode(str | None, content.get(name), name, JSON) for name in ("started", "finished")}
        try:
            given = {name: datetime.fromisoformat(text) if text else None for name, text in times.items()}
        except ValueError as error:
            raise DecodeError(str(error)) from None
        if given["started"] is None:
            raise DecodeError("started is missing")
        results: Results = decode(cls, dict(content), "", JSON, given)
        return results


class ResultFile:
    """One result file; ``failure`` says in a sentence what went wrong with it, and then it is left alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure: str | None = None
        self._written = False
        self._lines: dict[int, tuple[Case, str]] = {}
        """Of each case that will not change any more, by `id`, which is another's once the case is gone."""

    def write(self, results: Results) -> None:
        """Replace the file by one with everything known now; never raises for what the disk does."""
        if self.failure is not None:
            return
        try:
            replace_file(self.path, f"{self._text(results)}\n".encode())
            self._written = True
        except OSError as error:
            kept = "; what it held before is still there" if self._written else ""
            self.failure = f"The result file {self.path} could not be written: {error.strerror}{kept}."

    def _text(self, results: Results) -> str:
        """The file's content, a line for each case; while tests still run only the last one can change."""
        if results.finished is not None:
            self._lines.clear()
        for case in results.cases[:-1]:
            if id(case) not in self._lines:
                self._lines[id(case)] = case, json.dumps(case.to_json())
        lines = [self._lines[id(case)][1] for case in results.cases[:-1]]
        lines += [json.dumps(case.to_json()) for case in results.cases[-1:]]
        cases = ",\n".join(lines)
        return f'{json.dumps(results.head_json())[:-1]}, "cases": [\n{cases}\n]}}'


def load_content(path: Path) -> dict[str, Any]:
    """What a result file of any readable version holds, as JSON. Raises `HarnessError` in one sentence."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HarnessError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise HarnessError(f"{path} is not a result file of 'amdgpu-hw validate'")
    if content.get("version") not in READABLE_VERSIONS:
        known = " and ".join(map(str, READABLE_VERSIONS))
        raise HarnessError(f"{path} is of version {content.get('version')}, and this amdgpu_hw reads {known}")
    return content


def read_results(path: Path) -> Results:
    """The results in a file. Raises `HarnessError` in one sentence."""
    try:
        return Results.from_json(load_content(path))
    except (DecodeError, RecursionError) as error:
        raise HarnessError(f"{path} is damaged: {error}") from None
