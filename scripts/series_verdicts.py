#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The verdicts on AMDGPU_VM_EXPLICIT_SYNC in a real driver, from the mails of its three patches, as posted and mended.

usage: scripts/series_verdicts.py MAIL... [--gpu NAME]... [--results DIR]

MAIL: the three patches of 2026-05-29, as mails, a mailbox or diffs, in any order; they do not come with this project.
`scripts/build_module` builds an amdgpu.ko of each state for Linux 7.3, `amdgpu-hw validate --guest` judges it on each
GPU, and `amdgpu-hw diff` holds the results against those of the mock machine's kernel of that state.
Exit status: 0 all verdicts are there, whatever they say, 2 not.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from validation import run_validate

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU, GUEST_GPUS

__all__ = ("STATES", "SeriesState", "main")

SCRIPTS = Path(__file__).resolve().parent
LINUX = "7.3"
"""The kernel that the edits are for."""
JUDGED = (ExitStatus.PROVEN, ExitStatus.BROKEN, ExitStatus.INCOMPLETE)
"""How `amdgpu-hw validate` may end: with the last a row is inconclusive, or the run ended early, as its results say."""


@dataclass(frozen=True, slots=True)
class SeriesState:
    """One state of the series."""

    name: str
    edits: tuple[str, ...]
    variant: str
    """The mock kernel of that state."""


STATES = (
    SeriesState("posted", ("series-on-7.3",), "series-v1-7.3"),
    SeriesState("mended", ("series-on-7.3", "series-mended"), "series-fixed-7.3"),
)


def _module(state: SeriesState, mails: Sequence[Path]) -> str:
    """Build a module; its path."""
    options = [*(f"--patch={mail}" for mail in mails), *(f"--edits={name}" for name in state.edits)]
    command = [str(SCRIPTS / "build_module"), f"--linux={LINUX}", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise HarnessError(f"there is no module of the series as {state.name}")
    return done.stdout.strip()


def _validate(results: Path, *options: str) -> None:
    status = run_validate(results, *options, errors_too=False)
    if status not in JUDGED or not results.is_file():
        raise HarnessError(f"there is no verdict: {results.with_suffix('.txt')} says why")


def _verdict(state: SeriesState, module: str, gpu: str, directory: Path) -> None:
    guest, mock = (directory / f"{state.name}-{gpu}-{machine}.json" for machine in ("guest", "mock"))
    _validate(guest, f"--guest={LINUX}", f"--gpu={gpu}", f"--module={module}")
    _validate(mock, f"--mock={gpu}", f"--kernel={state.variant}")
    print(f"\nThe series as {state.name} on {gpu}: {guest} beside {mock}", flush=True)
    subprocess.run([sys.executable, "-m", "amdgpu_hw", "diff", guest, mock], check=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, judge and compare them; the exit status."""
    parser = argparse.ArgumentParser(description="The verdicts on the series in a real driver, as posted and mended.")
    parser.add_argument("mails", metavar="MAIL", type=Path, nargs="+", help="the patches, in any order")
    parser.add_argument(
        "--gpu",
        choices=GUEST_GPUS,
        action="append",
        dest="gpus",
        help=f"the modelled GPU; as often as there are to be verdicts ({DEFAULT_GPU})",
    )
    parser.add_argument("--results", metavar="DIR", type=Path, default=Path("results"), help="where results go")
    options = parser.parse_args(arguments)
    try:
        options.results.mkdir(parents=True, exist_ok=True)
        for state in STATES:
            module = _module(state, options.mails)
            for gpu in dict.fromkeys(options.gpus or [DEFAULT_GPU]):
                _verdict(state, module, gpu, options.results)
    except (HarnessError, OSError) as error:
        print(f"series_verdicts: {error}", file=sys.stderr)
        return ExitStatus.UNUSABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
