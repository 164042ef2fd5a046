# SPDX-License-Identifier: MIT
"""`scripts/driver_mutants.py`, as far as it goes without a build and a guest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import driver_mutants
import pytest
from mutants.declared import DECLARED, choose, read_mutants
from mutants.run import DriverVerdict, Noticed, judge

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.kernels import find_kernel
from amdgpu_hw.guest.places import cache
from amdgpu_hw.guest.source_edits import edited
from amdgpu_hw.proof.rows import load_rows
from amdgpu_hw.shipped import suite_directory
from amdgpu_hw.verdict.model import Case, Outcome
from amdgpu_hw.verdict.results import ResultFile, Results
from tests.mock.report.runs import broken, holds, run

MUTANTS = read_mutants().mutants


def finished(*cases: Case) -> Results:
    """A run that came to its end."""
    results = run(cases=list(cases))
    results.finished = datetime.now(UTC)
    return results


def test_there_are_as_many_as_a_sample_needs_and_each_names_rows_that_there_are() -> None:
    """24 at least, in the files that the suite is about."""
    rows = load_rows(suite_directory() / "rows.toml").sections
    assert len(MUTANTS) >= 24
    assert {row for mutant in MUTANTS for row in mutant.rows} <= rows.keys()
    assert len({mutant.edit.file for mutant in MUTANTS}) >= 6


def test_every_mistake_fits_the_source() -> None:
    """It changes the driver, where the source of that kernel has been fetched."""
    try:
        source = cache("build", find_kernel(read_mutants().linux).release, "source")
    except HarnessError as error:
        pytest.skip(str(error))
    if not source.is_dir():
        pytest.skip("scripts/build_module has not fetched the source of this kernel")
    for mutant in MUTANTS:
        text = (source / mutant.edit.file).read_text()
        assert edited(text, mutant.edit) != text, mutant.name


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("linux = ", "is no file of mutants"),
        ("linux = '7.3'\ndirectory = 'x'\n", "is no file of mutants: KeyError('mutant')"),
        ("{}{}", "two mutants called a"),
        ("{}colour = 'red'", "a has what no mutant knows: colour"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, wrong: str, why: str) -> None:
    """In a sentence that names it."""
    one = "[[mutant]]\nname = 'a'\nwhat = 'b'\nfile = 'c'\nwithin = 'd'\nanchor = 'e'\n"
    one += "action = 'delete'\nrows = ['B05']\n"
    path = tmp_path / "wrong.toml"
    head = "linux = '7.3'\ndirectory = 'x'\n" if "{}" in wrong else ""
    path.write_text(head + wrong.replace("{}", one))
    with pytest.raises(HarnessError) as refused:
        read_mutants(path)
    assert str(path) in str(refused.value)
    assert why in str(refused.value)


def test_a_name_that_none_has_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(HarnessError, match=f"no mutant called x; there are: {MUTANTS[0].name}"):
        choose(MUTANTS, ["x"])
    assert choose(MUTANTS, [MUTANTS[3].name]) == [MUTANTS[3]]


def test_what_is_broken_anyway_is_nobodys_catch() -> None:
    """A mutant is caught by a case that holds on the driver as it is."""
    case = broken()
    assert judge(finished(holds(), case), frozenset()) == DriverVerdict(Noticed.CAUGHT, (case.row,), case.reason, 2)
    assert judge(finished(holds(), case), frozenset({case.test})).catch is Noticed.SURVIVED


def test_a_guest_that_does_not_survive_a_row_has_noticed() -> None:
    """The row that ran is named, as far as there was one."""
    running = replace(holds("B39"), outcome=Outcome.UNFINISHED)
    crashed = run(cases=[holds(), running])
    crashed.finished = None
    assert judge(crashed, frozenset()) == DriverVerdict(Noticed.CRASHED, ("B39",), "the run did not end", 1)
    assert judge(None, frozenset()).catch is Noticed.CRASHED


def test_without_a_verdict_on_the_driver_as_it_is_there_is_none_on_mutants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence."""
    monkeypatch.setattr(driver_mutants, "judge_driver", lambda *_, **__: None)
    assert driver_mutants.main([f"--results={tmp_path}"]) == 2
    assert "there is no verdict on the driver as it is" in capsys.readouterr().err


def test_a_campaign_that_was_interrupted_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is known is told again, and neither built nor judged."""
    first, second = MUTANTS[:2]
    built: list[str] = []

    def build(_root: object, _source: object, _patches: object, name: str, *_: object) -> Path:
        built.append(name)
        if name == second.name and len(built) == 2:
            raise KeyboardInterrupt
        return tmp_path

    def judged(_linux: str, _gpu: str, path: Path, *, module: Path | None, rows: Sequence[str] = ()) -> Results:
        result = finished(holds(), broken()) if rows else finished(holds())
        ResultFile(path).write(result)
        return result

    monkeypatch.setattr(driver_mutants, "judge_driver", judged)
    monkeypatch.setattr(driver_mutants, "sources", lambda _: (None, None))
    monkeypatch.setattr(driver_mutants, "build_module", build)
    arguments = [f"--results={tmp_path}", first.name, second.name]
    assert driver_mutants.main(arguments) == 3
    assert driver_mutants.main([*arguments, "--resume"]) == 0
    assert built == [first.name, second.name, second.name]
    assert "2 mutants, 2 caught" in capsys.readouterr().out
    (tmp_path / "driver-mutants.json").write_text("{")
    assert driver_mutants.main([*arguments, "--resume"]) == 2
    assert "driver-mutants.json is damaged" in capsys.readouterr().err


def test_they_are_listed_without_a_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """With what is wrong, where, and the rows."""
    assert driver_mutants.main(["--list", MUTANTS[0].name]) == 0
    assert MUTANTS[0].what in capsys.readouterr().out
    assert DECLARED.is_file()
