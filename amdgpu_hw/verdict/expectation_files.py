# SPDX-License-Identifier: MIT
"""Expectations on disk: which files speak of a machine, their form, and new ones written from a run.

``<kernel>-<gpu>-fails.txt``, ``-flakes.txt`` and ``-skips.txt``, with ``+name=number`` behind the kernel where they
are about a driver with these module parameters; a line is ``name,Status``, and the comment above a paragraph of lines
is the reason for each of them. See docs/expectations.md.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.shipped import expectations_directory
from amdgpu_hw.verdict.expectations import NEEDS, STATUS_OF, Expectation, Expectations, Status, names_of
from amdgpu_hw.verdict.machine import MachineDescription
from amdgpu_hw.verdict.model import Case, Outcome

__all__ = ("ANY", "Subject", "load", "parse", "subject", "write")

ANY = "any"
"""The kernel or GPU in the name of a file that holds for all of them."""

WANTED = "#?"
"""Begins a comment that `write` made: what was seen, where a person is to say why."""

_PARAMETER = re.compile(r"\+(?=[a-z][a-z0-9_]*=)")
"""Comes before each parameter in the name of a file; a release of Debian's has a + as well."""

_ALLOWED = {
    "fails": (Status.FAIL, Status.CRASH, Status.INCONCLUSIVE, Status.PASS),
    "flakes": (Status.FLAKE,),
    "skips": (Status.SKIP, Status.NOT_RUN),
}


def _unknown(_name: str) -> None:
    """The value of a parameter where nobody can tell."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a run is about, as file names tell it: a kernel, and the GPU's names, the most exact one first."""

    kernel: str
    exact: bool
    """Whether the kernel has to match whole (a mock kernel's variant), or a release by its beginning."""
    gpus: tuple[str, ...]
    parameter: Callable[[str], int | None] = _unknown
    """The value that a module parameter of amdgpu has; None if nobody knows."""
    given: Mapping[str, int] = field(default_factory=dict)
    """The parameters that were given, for the names of new files."""

    def runs(self, kernel: str) -> bool:
        """Whether files for ``kernel`` speak of this one: 6.18 of 6.18.3, not of 6.180."""
        if self.exact:
            return kernel == self.kernel
        rest = self.kernel.removeprefix(kernel)
        return bool(kernel) and self.kernel.startswith(kernel) and not (kernel[-1].isdigit() and rest[:1].isdigit())


def subject(
    machine: MachineDescription,
    gpu: Mapping[str, Any],
    parameter: Callable[[str], int | None] = _unknown,
    given: Mapping[str, int] | None = None,
) -> Subject:
    """What a run on this machine and GPU (its identity) is about, with the module parameters of its driver."""
    slug = re.sub(r"[^a-z0-9]+", "-", str(gpu["name"]).lower()).strip("-")
    models = machine.mock_gpus or machine.guest_gpus
    name = models[0] if len(models) == 1 else slug
    gpus = (name, "gc{}.{}.{}".format(*gpu["gc_version"]), ANY)
    kernel = machine.mock_kernel or machine.kernel.partition(" ")[0]
    return Subject(kernel, machine.is_mock, gpus, parameter, machine.mock_parameters or given or {})


def load(directory: Path, about: Subject, *, drafts: bool = False) -> Expectations:
    """The expectations for ``about``: of the kernel whose name in a file matches the longest, and of any kernel.

    Where two files speak of one name that with more module parameters wins, then the one of the kernel, then that of
    the more exact GPU. Raises `HarnessError` with file and line. ``drafts`` takes entries that still want a reason.
    """
    if not directory.is_dir():
        raise HarnessError(
            f"there is no directory {directory} with expectations; docs/expectations.md says how to make one"
        )
    found = list(_files(directory, about))
    longest = max((file.kernel for file in found if file.kernel != ANY), key=len, default=ANY)
    expectations = Expectations(str(directory))
    for file in sorted(found, key=lambda file: (file.parameters, file.kernel != ANY, -file.rank)):
        if file.kernel in (longest, ANY):
            expectations.files.append(_shown(file.path))
            expectations.entries |= {entry.name: entry for entry in parse(file.path, drafts=drafts)}
    return expectations


@dataclass(frozen=True, slots=True)
class _File:
    """A file and what its name says: the kernel, how many parameters, and the GPU's rank (0 the most exact)."""

    kernel: str
    parameters: int
    rank: int
    path: Path


def _files(directory: Path, about: Subject) -> Iterator[_File]:
    """Each file about a subject."""
    for path in sorted(directory.glob("*.txt")):
        stem, _, kind = path.stem.rpartition("-")
        for rank, gpu in enumerate(about.gpus):
            place = stem.removesuffix(f"-{gpu}")
            kernel, *parameters = _PARAMETER.split(place)
            is_about = kind in _ALLOWED and place != stem and (kernel == ANY or about.runs(kernel))
            if is_about and all(_has(about, text, path) for text in parameters):
                yield _File(kernel, len(parameters), rank, path)


def _has(about: Subject, text: str, path: Path) -> bool:
    """Whether the driver runs with a parameter that the name of a file tells, as ``vm_update_mode=3``."""
    name, _, number = text.partition("=")
    try:
        return about.parameter(name) == int(number, 0)
    except ValueError:
        raise HarnessError(
            f"{_shown(path)}: in its name the parameter {name} is '{number}', which is no number"
        ) from None


def parse(path: Path, *, drafts: bool = False) -> Iterator[Expectation]:
    """The entries of one file; raises `HarnessError` with file and line for what is not one."""
    allowed = _ALLOWED[path.stem.rpartition("-")[2]]
    reason: list[str] = []
    wanted = in_entries = False
    seen: set[str] = set()
    for number, text in enumerate(_lines(path), 1):
        place, line = f"{_shown(path)}:{number}", text.strip()
        if line.startswith("#") or not line:
            if in_entries or not line:
                reason, wanted, in_entries = [], False, False
            wanted |= line.startswith(WANTED)
            reason.append(line.lstrip("#? "))
            continue
        in_entries = True
        name, comma, word = line.rpartition(",")
        if not comma or word not in [status.value for status in allowed]:
            words = " or ".join(status.value for status in allowed)
            raise HarnessError(f"{place}: '{line}' is no expectation: write name,{words}")
        if name in seen:
            raise HarnessError(f"{place}: a second entry for '{name}'")
        if wanted and not drafts:
            raise HarnessError(
                f"{place}: '{name}' has no reason yet: put a comment in the place of the '{WANTED}' lines"
            )
        if not any(reason):
            raise HarnessError(
                f"{place}: '{name}' has no reason: put a comment with one above it, without a blank line"
            )
        seen.add(name)
        yield Expectation(name, Status(word), " ".join(filter(None, reason)), place)


def _shown(path: Path) -> str:
    """A path as messages tell it: from where the user is, if it lies below; of one of ours only which it is.

    Reports are sent to others, and where this package lies says nothing to them.
    """
    absolute = path.resolve()
    if absolute.is_relative_to(Path.cwd()):
        return str(absolute.relative_to(Path.cwd()))
    with contextlib.suppress(HarnessError):
        if absolute.parent == expectations_directory().resolve():
            return f"{absolute.parent.name}/{absolute.name}"
    return str(path)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HarnessError(f"{path} cannot be read: {error}") from None


def write(cases: Iterable[Case], about: Subject, there: Expectations) -> None:
    """Append a draft for each case that does not hold and that no entry ``there`` speaks of, in its directory.

    Nothing is taken away: what an entry says wrongly is named by the next run that goes by it. Raises `OSError`.
    """
    drafts: dict[str, dict[str, str]] = {}
    for case in cases:
        if not case.asked or case.outcome is Outcome.HOLDS or there.of(case) is not None:
            continue
        kind = {Outcome.NOT_TESTABLE: "skips", Outcome.FLAKY: "flakes"}.get(case.outcome, "fails")
        # Other rows that lack the same are skips too: one entry for all of them, those of tomorrow included.
        name = f"{NEEDS}{case.missing}" if case.missing else names_of(case)[0]
        drafts.setdefault(kind, {}).setdefault(name, _draft(name, case))
    for kind, entries in drafts.items():
        parameters = "".join(f"+{name}={value}" for name, value in about.given.items())
        path = Path(there.directory) / f"{about.kernel}{parameters}-{about.gpus[0]}-{kind}.txt"
        with open(path, "a", encoding="utf-8") as file:
            file.write("".join(entries.values()))


def _draft(name: str, case: Case) -> str:
    status = STATUS_OF[case.outcome]
    seen = " ".join(case.reason.split())
    return f"\n{WANTED} {case.behaviour}\n{WANTED} {case.outcome.value}: {seen}\n{name},{status.value}\n"
