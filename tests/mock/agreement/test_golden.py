# SPDX-License-Identifier: MIT
"""The mock kernel does what real kernels did, program by program: golden cases, recorded on guest machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from agreement.comparing import program_findings
from agreement.findings import Differences, load_differences
from agreement.golden import read_golden
from agreement.machines import MockSide

FILES = sorted((Path(__file__).parent / "golden").glob("*.json"))
PATIENCE_MS = 100


def test_there_are_golden_cases_of_three_kernels() -> None:
    """An empty folder would prove nothing."""
    assert {path.name.partition("-")[0] for path in FILES} >= {"6.1", "6.12", "7.3"}


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_mock_does_what_the_real_kernel_did(path: Path, tmp_path: Path) -> None:
    """Errnos, fences under a shut gate, mappings, data, faults and fdinfo; what is listed may differ."""
    golden = read_golden(path)
    answers = MockSide(golden.gpu, golden.kernel, tmp_path).programs(
        [case.actions for case in golden.cases], PATIENCE_MS
    )
    assert len(answers) == len(golden.cases)
    known = Differences(load_differences(), golden.kernel, golden.gpu)
    wrong = [
        f"{finding} ({case.why})"
        for number, (case, answer) in enumerate(zip(golden.cases, answers, strict=True))
        for finding in program_findings(f"program {number}", case.answer, answer)
        if known.known(finding) is None
    ]
    assert not wrong, "\n".join(wrong)
