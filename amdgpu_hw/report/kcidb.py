# SPDX-License-Identifier: MIT
"""Results for kcidb, the database of kernel test results (schema 5.3): a test for each case, of one build.

CI systems that have reported the build themselves name it. Otherwise the report declares one, and its checkout, by the
kernel's release; whether that kernel is a real one is said of each of them. ``kcidb-validate`` of kcidb-io checks it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.report.facts import case_label, machine_facts, warning
from amdgpu_hw.report.findings import findings_of
from amdgpu_hw.verdict.model import Case, Outcome
from amdgpu_hw.verdict.results import Results
from amdgpu_hw.verdict.table import ordered
from amdgpu_hw.verdict.trouble import case_trouble
from amdgpu_hw.verdict.words import kernel_words

__all__ = ("KCIDB_VERSION", "kcidb_id", "kcidb_report", "require_origin")

KCIDB_VERSION = {"major": 5, "minor": 3}

_ORIGIN = re.compile(r"[a-z0-9_]+")

_ID = re.compile(r"[a-z0-9_]+:[^\0]*")

_STATUS = {
    Outcome.HOLDS: "PASS",
    Outcome.BROKEN: "FAIL",
    Outcome.FLAKY: "FAIL",
    Outcome.NOT_TESTABLE: "SKIP",
    Outcome.INCONCLUSIVE: "ERROR",
    Outcome.UNFINISHED: "ERROR",
}
"""ERROR is a fault of the test, FAIL one of the tested code."""


def kcidb_report(results: Results, origin: str, checkout: str | None, build: str | None) -> str:
    """The whole run as JSON. Raises `HarnessError` for IDs that kcidb does not take."""
    require_origin(origin)
    for what, given in (("checkout", checkout), ("build", build)):
        if given is not None and not _ID.fullmatch(given):
            raise HarnessError(f"the ID of a {what} in kcidb is ORIGIN:NAME, which '{given}' is not")
    report: dict[str, Any] = {"version": KCIDB_VERSION}
    if build is None:
        if checkout is None:
            checkout = kcidb_id(origin, "checkout", kernel_words(results)[0])
            report["checkouts"] = [_checkout(results, origin, checkout)]
        build = kcidb_id(origin, "build", results.machine.kernel, results.machine.mock_kernel)
        report["builds"] = [_build(results, origin, checkout, build)]
    report["tests"] = [_test(case, results, origin, build) for case in ordered(results.cases)]
    return json.dumps(report, indent=1) + "\n"


def require_origin(origin: str) -> None:
    """Raise `HarnessError` for an origin that kcidb does not take."""
    if not _ORIGIN.fullmatch(origin):
        raise HarnessError(f"an origin in kcidb has small letters, digits and _ only, which '{origin}' does not")


def kcidb_id(origin: str, *parts: str) -> str:
    """An ID that is the same whenever the parts are."""
    return f"{origin}:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"


def _kernel_comment(results: Results) -> str:
    words, is_real = kernel_words(results)
    return words if is_real else f"MODELLED kernel {words}: {results.machine.meaning}"


def _checkout(results: Results, origin: str, identifier: str) -> dict[str, Any]:
    return {
        "id": identifier,
        "origin": origin,
        "comment": _clean(_kernel_comment(results)),
        "misc": {"kernel_is_real": results.machine.kernel_is_real},
    }


def _build(results: Results, origin: str, checkout: str, identifier: str) -> dict[str, Any]:
    return {
        "id": identifier,
        "checkout_id": checkout,
        "origin": origin,
        "comment": _clean(_kernel_comment(results)),
        "architecture": re.sub(r"[^a-z0-9_]", "_", results.machine.architecture.lower()),
        "misc": {"kernel_is_real": results.machine.kernel_is_real, "uname": results.machine.kernel},
    }


def _test(case: Case, results: Results, origin: str, build: str) -> dict[str, Any]:
    return {
        "id": kcidb_id(
            origin, results.started.isoformat(), results.machine.sentence, results.machine.kernel, case.test
        ),
        "build_id": build,
        "origin": origin,
        "path": _path("amdgpu_hw", case.row, case.test.rpartition("::")[2]),
        "comment": _clean(f"{case.row}: {case.behaviour}"),
        "status": _STATUS[case.outcome],
        "start_time": _moment(results.started),
        "duration": case.duration_ns / 1e9,
        "log_excerpt": _clean(_log(case)),
        "environment": {
            "comment": _clean(warning(results) or f"REAL GPU: {results.gpu.get('name', '')}"),
            "misc": dict(machine_facts(results)),
        },
        "misc": {
            "label": case_label(case),
            "outcome": case.outcome.value,
            "expected": case.expected,
            "unexpected": case.unexpected,
            "findings": list(findings_of(case)),
            "gates": case.gates,
            "incidents": [dict(each) for each in case.incidents],
        },
    }


def _log(case: Case) -> str:
    return "\n".join(filter(None, (*case.done, case.seen, case.reason, case.explanation, *case_trouble(case))))


def _moment(when: datetime) -> str:
    return when.isoformat()


def _path(*parts: str) -> str:
    """A place in the tree of tests: words with dots in between."""
    return ".".join(re.sub(r"[^A-Za-z0-9_-]+", "-", part).strip("-").lower() for part in parts)


def _clean(text: str | Sequence[str]) -> str:
    return str(text).replace("\0", "?")
