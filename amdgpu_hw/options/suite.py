# SPDX-License-Identifier: MIT
"""How the suite is run, on whichever machine: its GPU, its gate, what it may do, what it goes by, what it writes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from amdgpu_hw.options.declared import Options, comma_separated, option
from amdgpu_hw.options.numbers import seconds, within
from amdgpu_hw.shipped import EXPECTATIONS, expectations_directory

__all__ = ("ALLOW_FAULTS", "CONTINUE", "PREFIX", "STOP", "WATCH_NS", "GpuChoice", "SessionOptions", "SuiteOptions")

ALLOW_FAULTS = "AMDGPU_HW_ALLOW_FAULTS"
"""Environment variable: 1 stands for ``--amdgpu-allow-faults``, on machines where every run may make GPUs fault."""

WATCH_NS = 50_000_000
"""For how long a thing is watched that must not be done while work is in flight, unless the user says otherwise.

Whatever does not wait is done within a few milliseconds, on cards and on mock machines; and a run watches some hundred
times.
"""

STOP, CONTINUE = "stop", "continue"
"""What a run does when the GPU was reset."""

PREFIX = "--amdgpu-"
"""How the options of pytest begin."""

_MS = 1_000_000

_MOST_RERUNS = 100

_STRESS_FACTOR = 60
"""How much longer a test may take that goes on for long: 20 minutes instead of 20 s."""


def _gate_names() -> Iterable[str]:
    from amdgpu_hw.gate import GATE_NAMES

    return GATE_NAMES


def _gate(text: str) -> str:
    names = tuple(_gate_names())
    if text not in names:
        raise argparse.ArgumentTypeError(f"there is no kind of gate called '{text}'; there are: {', '.join(names)}")
    return text


def _milliseconds(text: str) -> int:
    """Nanoseconds in what the command line has in milliseconds."""
    return round(within(1 / _MS, 600_000, "a time in milliseconds")(text) * _MS)


def _word(text: str) -> tuple[str, ...]:
    return (text,)


def _capability_names() -> Iterable[str]:
    from amdgpu_hw.capabilities import PROBES

    return PROBES


def _capability(text: str) -> str:
    names = tuple(_capability_names())
    if text not in names:
        raise argparse.ArgumentTypeError(f"there is no capability called '{text}'; there are: {', '.join(names)}")
    return text


def faults_allowed_anyway() -> bool:
    """Whether the environment allows what `ALLOW_FAULTS` says."""
    return os.environ.get(ALLOW_FAULTS, "0") not in ("", "0")


def _number_of_reruns(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _MOST_RERUNS:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {_MOST_RERUNS}, not '{text}'")
    return int(text)


def _after_reset(text: str) -> str:
    if text not in (STOP, CONTINUE):
        raise argparse.ArgumentTypeError(f"must be {STOP} or {CONTINUE}, not '{text}'")
    return text


@dataclass(frozen=True)
class GpuChoice(Options):
    """Which GPU of the machine that this runs on."""

    gpu: str | None = option("PCI address, render node or name (default: the first GPU)", metavar="GPU")


@dataclass(frozen=True)
class SuiteOptions(Options):
    """What `amdgpu-hw validate` and pytest both take."""

    gate: str | None = option(
        "hold work with this kind of gate (default: the safest)", metavar="NAME", read=_gate, known=_gate_names
    )
    allow_faults: bool = option(
        "also run tests that may make the GPU fault or hang, reset it, or hold up others on it (or set "
        f"{ALLOW_FAULTS}=1 in the environment)",
        default=False,
        environment=ALLOW_FAULTS,
    )
    results: tuple[Path, ...] = option(
        "write the results here, as JSON, or to a new file in this directory (default: results); repeatable",
        default=(),
        metavar="FILE",
        read=lambda text: (Path(text),),
    )
    rerun: int = option(
        "run a test up to N times again that fails and was not expected to: if it holds then it is flaky, which fails "
        "the run all the same (default: 0)",
        default=0,
        metavar="N",
        read=_number_of_reruns,
    )
    expectations: Path | None = option(
        "go by known findings: they do not fail the run, surprises do (those in DIR; default: the package's own)",
        metavar="DIR",
        read=Path,
        bare=EXPECTATIONS,
    )
    write_expectations: Path | None = option(
        "write drafts of expectations to DIR, for what does not hold and is not expected there yet",
        metavar="DIR",
        read=Path,
    )

    after_reset: str = option(
        "after a reset of the GPU: stop, or go on with the next test (default: stop)",
        default=STOP,
        metavar="stop|continue",
        read=_after_reset,
    )
    resume: Path | None = option(
        "go on with the run in this result file, of the same kernel, GPU and suite; what was running when it ended is "
        "not run again",
        metavar="FILE",
        read=Path,
    )
    patch_id: str | None = option(
        "what the patches in this kernel are called, for the results: a commit, or a name with a version",
        metavar="TEXT",
    )

    stress: bool = option(
        "do what is done many times for long: 10000 cycles, thousands of drawn programs; minutes per test",
        default=False,
    )
    watch: int = option(
        f"watch so long what must not happen while work is in flight (default: {WATCH_NS // _MS})",
        default=WATCH_NS,
        metavar="MS",
        read=_milliseconds,
        write=lambda nanoseconds: f"{nanoseconds / _MS:g}",
    )
    timeout: float = option(
        "open all gates and fail a test after so long (default: 20)",
        default=20.0,
        metavar="SECONDS",
        read=seconds,
        write=lambda number: f"{number:g}",
    )
    test: tuple[str, ...] = option(
        "run this test alone, with its controls: by its name in the results, test_x.py::test_y[CLEAR]; repeatable",
        default=(),
        metavar="ID",
        read=_word,
    )
    require: tuple[str, ...] = option(
        "end with 2 where kernel, GPU or libdrm lack one of these; repeatable",
        default=(),
        metavar="NAME[,NAME]",
        read=comma_separated(_capability),
        known=_capability_names,
    )

    @property
    def test_s(self) -> float:
        """Seconds that a test may take."""
        return _STRESS_FACTOR * self.timeout if self.stress else self.timeout

    @property
    def written(self) -> tuple[Path, ...]:
        """The result files: what is gone on with is one of them."""
        return tuple(dict.fromkeys((*([self.resume] if self.resume is not None else []), *self.results)))

    def expectations_in(self) -> Path | None:
        """The directory with the expectations to go by. Raises `HarnessError` if the package has none."""
        return expectations_directory() if self.expectations == EXPECTATIONS else self.expectations

    def for_cases(self, gate: str | None) -> Self:
        """These options as far as what a case does depends on them, with the gate that was chosen.

        Faults are always allowed where the environment allows them.
        """
        return replace(
            type(self)(),
            gate=gate,
            allow_faults=self.allow_faults and not faults_allowed_anyway(),
            stress=self.stress,
            watch=self.watch,
            timeout=self.timeout,
        )


@dataclass(frozen=True)
class SessionOptions(SuiteOptions):
    """What pytest takes beside."""

    table: bool = option("print all rows with what was done and seen, as pytest's -v does", default=False)
    require_proof: bool = option(
        "exit as amdgpu-hw does: with 4 if nothing was said about the series, 3 if the run did not come to its end",
        default=False,
    )
