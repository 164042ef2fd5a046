# SPDX-License-Identifier: MIT
"""The forms of report there are, and what is to be known beside the results to make one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.terminal import printable
from amdgpu_hw.verdict.results import Results

__all__ = ("FORMATS", "ReportOptions", "make_report")


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What the results do not say: who sends them, in answer to what, and what the CI calls them."""

    tested_by: str | None = None
    """``Name <address>`` of the one who vouches for a mail."""
    in_reply_to: str | None = None
    """Message ID of the mail that is answered."""
    origin: str = "amdgpu_hw"
    """The CI system, as kcidb knows it."""
    checkout: str | None = None
    """The ID of the checkout in kcidb that was built and tested; None: the report declares one."""
    build: str | None = None
    """The ID of the build in kcidb that was tested; None: the report declares one."""


def _mail(results: Results, options: ReportOptions) -> str:
    from amdgpu_hw.report.mail import mail_report

    return mail_report(results, options.tested_by, options.in_reply_to)


def _ktap(results: Results, _options: ReportOptions) -> str:
    from amdgpu_hw.report.ktap import ktap_report

    return ktap_report(results)


def _junit(results: Results, _options: ReportOptions) -> str:
    from amdgpu_hw.report.junit import junit_report

    return junit_report(results)


def _html(results: Results, _options: ReportOptions) -> str:
    from amdgpu_hw.report.html import html_report

    return html_report(results)


def _kcidb(results: Results, options: ReportOptions) -> str:
    from amdgpu_hw.report.kcidb import kcidb_report

    return kcidb_report(results, options.origin, options.checkout, options.build)


def _markdown(results: Results, _options: ReportOptions) -> str:
    from amdgpu_hw.report.markdown import markdown_report

    return markdown_report(results)


FORMATS: dict[str, Callable[[Results, ReportOptions], str]] = {
    "mail": _mail,
    "ktap": _ktap,
    "junit": _junit,
    "html": _html,
    "kcidb": _kcidb,
    "markdown": _markdown,
}
"""How each form is made; its module is imported when it is."""


def make_report(name: str, results: Results, options: ReportOptions) -> str:
    """Results in one of `FORMATS`. Raises `HarnessError`: there is no such form, or an option is no good for it."""
    if name not in FORMATS:
        raise HarnessError(f"there is no report '{name}'; there are: {', '.join(FORMATS)}")
    return printable(FORMATS[name](results, options))
