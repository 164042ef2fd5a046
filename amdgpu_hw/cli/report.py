# SPDX-License-Identifier: MIT
"""``amdgpu-hw report``: a result in the forms that people send, machines read and browsers show."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amdgpu_hw.atomic_file import replace_file
from amdgpu_hw.cli.result_files import add_file
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.report.formats import FORMATS, ReportOptions, make_report
from amdgpu_hw.verdict.reading import read_for_report

__all__ = ("add_commands",)


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "report",
        help="a result of validate as a mail, KTAP, JUnit, HTML, kcidb or Markdown",
        description="Makes a report of a result file of amdgpu-hw validate, and prints it.",
        allow_abbrev=False,
    )
    add_file(parser, "file", "a result file of amdgpu-hw validate")
    parser.add_argument("--format", required=True, choices=tuple(FORMATS), help="what to make")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write it there")
    mail = parser.add_argument_group("mail")
    mail.add_argument(
        "--tested-by",
        metavar="'NAME <ADDRESS>'",
        help="who vouches for it (default: user.name and user.email of git, where there is something to vouch for)",
    )
    mail.add_argument("--in-reply-to", metavar="MESSAGE-ID", help="the mail with the patches")
    kcidb = parser.add_argument_group("kcidb")
    kcidb.add_argument(
        "--origin", metavar="NAME", default=ReportOptions().origin, help="the CI system (default: %(default)s)"
    )
    kcidb.add_argument("--checkout", metavar="ID", help="the checkout that was built, reported elsewhere")
    kcidb.add_argument("--build", metavar="ID", help="the build that was tested, reported elsewhere")
    parser.set_defaults(run=run_report, takes_rest=False)


def run_report(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print the report, or write it."""
    results = read_for_report(options.file)
    tested_by = options.tested_by
    if options.format == "mail" and tested_by is None:
        tested_by = _git_identity()
    given = ReportOptions(tested_by, options.in_reply_to, options.origin, options.checkout, options.build)
    text = make_report(options.format, results, given)
    if options.output is None:
        sys.stdout.write(text)
        return 0
    try:
        replace_file(options.output, text.encode("utf-8"))
    except OSError as error:
        raise HarnessError(f"the report {options.output} could not be written: {error.strerror}") from error
    return 0


def _git_identity() -> str | None:
    """Name and address as git would sign a commit with them; None where it has none."""
    if shutil.which("git") is None:
        return None
    found = []
    for key in ("user.name", "user.email"):
        answer = subprocess.run(["git", "config", "--get", key], capture_output=True, text=True, check=False)
        found.append(answer.stdout.strip())
    name, address = found
    return f"{name} <{address}>" if name and address else None
