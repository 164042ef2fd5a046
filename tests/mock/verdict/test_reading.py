# SPDX-License-Identifier: MIT
"""Result files read back: the same as was written, or one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.verdict.reading import read_for_report
from amdgpu_hw.verdict.results import ResultFile
from tests.mock.report.runs import every_kind, run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a case of every kind."""
    ResultFile(tmp_path / "r.json").write(run(cases=every_kind()))
    return tmp_path / "r.json"


def test_what_was_written_is_read(path: Path) -> None:
    """Every case with everything in it, the machine, and what was found out about it."""
    written, read = run(cases=every_kind()), read_for_report(path)
    assert read.cases == written.cases
    assert (read.machine, read.gate, dict(read.probes)) == (written.machine, "vgem", dict(written.probes))
    assert read.verdict is written.verdict


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "null", '{"format": "amdgpu_hw measurement"}', "\ud800", "[" * 100_000]
)
def test_another_file_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    """Whatever it is."""
    path = tmp_path / "other.json"
    path.write_text(text, errors="surrogatepass")
    with pytest.raises(HarnessError, match=r"other\.json ") as refused:
        read_for_report(path)
    assert "\n" not in str(refused.value)


def test_a_file_of_a_later_version_is_not_read(path: Path) -> None:
    """Its meaning is not known here."""
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 1000}))
    with pytest.raises(HarnessError, match="version"):
        read_for_report(path)


@pytest.mark.parametrize(
    "damage",
    [
        {"cases": []},
        {"cases": [{}]},
        {"cases": None},
        {"machine": 1},
        {"started": "yesterday"},
        {"gpu": {"name": 1}},
        {"probes": {"explicit_sync": True}},
    ],
    ids=str,
)
def test_a_damaged_file_is_refused_with_the_place(path: Path, damage: dict[str, Any]) -> None:
    """Nothing is reported of what nobody measured."""
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(HarnessError, match="is damaged: "):
        read_for_report(path)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("fingerprint", {"kernel": []}),
        ("fingerprint", {"gpu": {"firmware": {"me": 1}}}),
        ("fingerprint", {"clients": [{"name": "sway"}]}),
        ("fingerprint", {"suite": "x"}),
        ("incidents", [{"what": "reset"}]),
        ("incidents", [{"what": "reset", "whose": "", "evidence": {"files": {"kernel.log": "long"}}}]),
    ],
)
def test_a_fingerprint_or_incident_of_another_form_is_damage(path: Path, where: str, value: Any) -> None:
    """Said with the place, of the run and of a case, before any report is made."""
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {where: value}))
    with pytest.raises(HarnessError, match=rf"is damaged: {where}"):
        read_for_report(path)
    if where == "incidents":
        content["cases"][1][where] = value
        path.write_text(json.dumps(content))
        with pytest.raises(HarnessError, match=r"is damaged: cases\[1\]\.incidents"):
            read_for_report(path)
