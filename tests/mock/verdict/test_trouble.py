# SPDX-License-Identifier: MIT
"""Resets and what was kept of them, in words."""

from __future__ import annotations

from typing import Any

import pytest

from amdgpu_hw.verdict.trouble import troubles


def words(files: dict[str, int], missing: dict[str, str] | None = None) -> str:
    """What is said of the evidence of a reset."""
    kept = {"directory": "r.evidence/T08", "files": files, "missing": missing or {}}
    incident: dict[str, Any] = {"what": "the GPU was reset", "whose": "ours", "before": "", "evidence": kept}
    return troubles([incident], "a test")[0].evidence.words


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "nothing"),
        (1, "f0 (1 bytes)"),
        (4, "f0 (1 bytes), f1 (2 bytes), f2 (3 bytes), f3 (4 bytes)"),
        (7, "f0 (1 bytes), f1 (2 bytes), f2 (3 bytes), f3 (4 bytes), 3 more of 18 bytes"),
    ],
)
def test_the_first_files_of_the_evidence_are_named_and_the_others_counted(count: int, told: str) -> None:
    """A GPU has dozens of rings, each with a file, and a verdict has twenty lines."""
    assert words({f"f{number}": number + 1 for number in range(count)}) == f"evidence in r.evidence/T08: {told}"


def test_what_could_not_be_kept_is_told_with_its_reason() -> None:
    """Also where something else was."""
    told = words({"kernel.log": 82}, {"devcoredump": "it is for root"})
    assert told == "evidence in r.evidence/T08: kernel.log (82 bytes); not kept: devcoredump: it is for root"
