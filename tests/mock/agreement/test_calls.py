# SPDX-License-Identifier: MIT
"""The tables of refused calls as a client makes them: it gets from a machine what the tables say of its kernel."""

from __future__ import annotations

from pathlib import Path

from agreement.calls import CALLS
from agreement.machines import MockSide

from tests.mock.kernel.errnos import contexts, core, gem, gem_va, submissions, waiting

KERNEL = "6.12"


def _of(table: str) -> list[int]:
    """The numbers of a table's calls."""
    return [number for number, call in enumerate(CALLS) if call.name.startswith(f"{table}/")]


def test_every_call_has_a_name_of_its_own() -> None:
    """By which machines are compared, and differences listed."""
    names = [call.name for call in CALLS]
    assert len(set(names)) == len(names) > 500


def test_a_client_gets_the_answers_of_the_tables(tmp_path: Path) -> None:
    """Through libdrm, the seam and the mock kernel of 6.12; CTX as nobody, who may not have a high priority."""
    tables = {
        "gem_va": gem_va.ROWS,
        "gem": gem.GEM_ROWS,
        "ctx": contexts.CTX_ROWS,
        "wait": waiting.WAIT_ROWS,
        "primary": core.MASTER_ROWS,
    }
    due: dict[str, int] = {}
    numbers: list[int] = []
    for table, rows in tables.items():
        for number, row in zip(_of(table), rows, strict=True):
            # Where released kernels differ, the first answer is not that of 6.12.
            if (KERNEL in row.variants and len(row.errnos) == 1) or table == "ctx":
                due[CALLS[number].name] = row.errno
                numbers.append(number)
    for number, entry in zip(_of("cs"), submissions.SUBMISSIONS, strict=True):
        if KERNEL in entry.variants:
            due[CALLS[number].name] = entry.expected
            numbers.append(number)
    answers = MockSide("navi31", KERNEL, tmp_path).calls(numbers)
    assert {answer["call"]: answer.get("errno", answer) for answer in answers} == due
