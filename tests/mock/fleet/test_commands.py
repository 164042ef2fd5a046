# SPDX-License-Identifier: MIT
"""``amdgpu-hw fleet``: what it prints, and one sentence for what cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from amdgpu_hw import cli
from amdgpu_hw.fleet.events import Note, Phase
from amdgpu_hw.fleet.index import write_index
from tests.mock.fleet.test_matrix import H, X, filled


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results of a fleet: one order broken, one not, the rest lost."""
    index = filled(tmp_path, {("navi31", "k1", 1): {"B06": H, "B07": H}, ("navi31", "k2", 1): {"B06": X, "B07": H}})
    index.orders[0].notes = [Note(Phase.START, "x"), Note(Phase.AWAY, "the connection was lost")]
    write_index(tmp_path, index)
    return tmp_path


def test_status_says_where_each_order_is_and_what_went_wrong(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Steps that went well are not told."""
    assert cli.main(["fleet", "status", str(results)]) == 0
    out = capsys.readouterr().out
    assert "8 orders: 2 done, 6 lost" in out
    assert "away: the connection was lost" in out
    assert "start" not in out


def test_show_prints_the_matrix(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of what has come in."""
    assert cli.main(["fleet", "show", str(results)]) == 0
    out = capsys.readouterr().out
    assert "B06 takes effect" in out
    assert "B07 takes effect" not in out
    assert cli.main(["fleet", "show", "--all", str(results)]) == 0
    assert "B07 takes effect" in capsys.readouterr().out


def test_show_since_another_run_ends_like_diff(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 nothing changed, 1 something did."""
    assert cli.main(["fleet", "show", str(results), "--since", str(results)]) == 0
    assert "All 4 ended as before." in capsys.readouterr().out
    other = results / "other"
    filled(other, {("navi31", "k1", 1): {"B06": X, "B07": H}})
    assert cli.main(["fleet", "show", str(results), "--since", str(other)]) == 1
    assert "1 of 2 ended otherwise, 0 of which held before." in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["html", "kcidb"])
def test_a_report_is_printed_or_written(results: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """The same either way."""
    assert cli.main(["fleet", "report", str(results), "--format", kind]) == 0
    printed = capsys.readouterr().out
    assert cli.main(["fleet", "report", str(results), "--format", kind, "--output", str(results / "report")]) == 0
    assert (results / "report").read_text() == printed
    assert "B06" in printed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "none.toml"], "the plan none.toml cannot be read"),
        (["run", "--ssh", ""], "--ssh takes hosts as HOST1,USER@HOST2:PORT"),
        (["run", "--ssh=-oProxyCommand=x"], "--ssh takes hosts"),
        (["run", "--resume", "."], ". has no results of a fleet"),
        (["show", "."], ". has no results of a fleet"),
        (["report", ".", "--format", "html"], ". has no results of a fleet"),
        (["bisect", "a", "b", "--row", "B06", "--plan", "none"], "the plan none cannot be read"),
        (["status", "none"], "none has no results of a fleet"),
        (["run", "none.toml", "-k", "B06"], "go with --ssh: the plan has its own"),
        (["run", "--ssh", "x", "--wheel", "none.whl"], "none.whl cannot be read: No such file"),
        (["run", "--ssh", "x", "--results", "/dev/null/x"], "the directory /dev/null/x cannot be made"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before anything is built or reached."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["fleet", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("amdgpu-hw: ")
    assert sentence in said
    assert said.count("\n") == 1


def test_results_are_not_written_over_others(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory has one run."""
    assert cli.main(["fleet", "run", "--ssh", "x", "--results", str(results)]) == 2
    assert "has results already: name another one, or go on with --resume" in capsys.readouterr().err
