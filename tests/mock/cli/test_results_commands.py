# SPDX-License-Identifier: MIT
"""``amdgpu-hw show | report | diff | rows``: what they print, and what they end with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amdgpu_hw.cli import main
from amdgpu_hw.program import run_program
from amdgpu_hw.report.formats import FORMATS
from amdgpu_hw.terminal import printable
from amdgpu_hw.verdict.results import ResultFile
from tests.mock.report.runs import every_kind, hurt, run


@pytest.fixture
def bad(tmp_path: Path) -> str:
    """The result file of a run with a case of every kind."""
    ResultFile(tmp_path / "bad.json").write(run(cases=every_kind()))
    return str(tmp_path / "bad.json")


@pytest.fixture
def good(tmp_path: Path) -> str:
    """The result file of a run in which everything holds."""
    ResultFile(tmp_path / "good.json").write(run())
    return str(tmp_path / "good.json")


def test_show_prints_the_table_or_some_rows_of_it(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Chosen as pytest's -k does: by row, test or outcome."""
    assert main(["show", bad]) == 0
    assert "what was done and seen" in capsys.readouterr().out
    assert main(["show", bad, "-k", "B06 or (b30 and not x)"]) == 0
    said = capsys.readouterr().out
    assert "B06" in said
    assert "B33" not in said
    assert main(["show", bad, "--summary", "-k", "not_testable"]) == 0
    assert "1 test of 1 behaviour: 1 not testable." in capsys.readouterr().out


@pytest.mark.parametrize("expression", ["", "and", "B06 or", "(", "nothing_of_that_name", "(" * 10_000])
def test_an_expression_that_chooses_nothing_is_refused(
    bad: str, expression: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one sentence."""
    assert main(["show", bad, f"-k={expression}"]) == 2
    assert capsys.readouterr().err.startswith("amdgpu-hw: ")


@pytest.mark.parametrize("name", FORMATS)
def test_report_prints_or_writes_every_form(
    name: str, bad: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same text."""
    assert main(["report", bad, "--format", name]) == 0
    printed = capsys.readouterr().out
    assert main(["report", bad, "--format", name, "--output", str(tmp_path / "out" / "r")]) == 0
    assert (tmp_path / "out" / "r").read_text() == printed


def test_a_report_that_cannot_be_written_is_said(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Not a traceback."""
    assert main(["report", bad, "--format", "html", "--output", "/dev/full"]) == 2
    assert "No space left on device" in capsys.readouterr().err


def test_diff_ends_with_0_if_nothing_changed_and_1_if_something_did(
    bad: str, good: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As diff(1); and 2 where nothing can be compared."""
    assert main(["diff", good, good]) == 0
    assert "All 3 tests ended the same." in capsys.readouterr().out
    assert main(["diff", good, bad]) == 1
    assert main(["diff", good, "/nowhere.json"]) == 2


def test_rows_are_listed_with_what_they_need(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the controls of those that are chosen; no GPU is opened."""
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["rows", "-k", "B09", "--json"]) == 0
    rows = {row["row"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {"B09", "B09c"}
    (first, *_) = rows["B09"]["tests"]
    assert (first["gates"], first["controls"]) == (["any"], ["B09c"])
    assert "explicit_sync" in first["needs"]
    assert main(["rows", "-k", "B48 or O11"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "B48 an explicit unmap waits for a user queue's fence" in said
    assert "--allow-faults: it may make" in said
    assert main(["rows", "-k", "no_such_row"]) == 2


def test_show_tells_what_was_tested_and_what_happened_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the table; the summary keeps to resets and the suspect."""
    ResultFile(tmp_path / "hurt.json").write(hurt())
    assert main(["show", str(tmp_path / "hurt.json")]) == 0
    table = " ".join(capsys.readouterr().out.split())
    for words in ("sdma 0x00000013", "(811, the desktop)", "kernel.log (812 bytes)", "record 3", "8 more records"):
        assert words in table, words
    assert main(["show", str(tmp_path / "hurt.json"), "--summary"]) == 0
    summary = " ".join(capsys.readouterr().out.split())
    assert "sdma 0x00000013" not in summary
    for text in (table, summary):
        assert "Between two rows, before test_x.py::test_b09: the GPU was reset (between)" in text
        assert "During B06, which holds: the GPU was reset (spared)" in text
        assert "The run ended while T16 (test_z.py::test_last) was running" in text


@pytest.mark.parametrize("words", [["show"], ["show", "--summary"], ["diff"], ["report", "--format=mail"]])
def test_nothing_in_a_file_commands_the_terminal(
    words: list[str], bad: str, good: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Escape sequences that a test's name or a process's name brings along, also in the sentence of an error."""
    ResultFile(tmp_path / "hurt.json").write(hurt())
    for path in (bad, str(tmp_path / "hurt.json")):
        main([*words, path, *([good] if words == ["diff"] else [])])
        told = capsys.readouterr()
        assert told.out
        assert printable(told.out + told.err) == told.out + told.err
    content = json.loads(Path(good).read_text())
    Path(good).write_text(json.dumps(content | {"gate": ["\x1b]0;gotcha\x07"]}))
    assert run_program("amdgpu-hw", lambda: main([*words, good, *([bad] if words == ["diff"] else [])])) == 2
    assert "\x1b" not in capsys.readouterr().err
