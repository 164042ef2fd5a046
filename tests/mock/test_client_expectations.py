# SPDX-License-Identifier: MIT
"""The files that say which client programs run and how they end: a mistake is a sentence with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from clients.expectations import load_expectations, load_sets
from clients.results import Result, Setup, TestCase


def test_the_files_that_are_there_are_good() -> None:
    """Every entry and set; the first entry that covers a test counts, and what none covers passes."""
    assert load_expectations().entries
    assert all(programs for programs in load_sets().values())
    setup = Setup(["navi31"], "series-fixed")
    assert load_expectations().of(TestCase("nobody", "knows"), setup).result is Result.PASS


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[expected]", "is not TOML: "),
        ("expected = 3", "the key 'expected' must be an array, not 3"),
        ("[[expectd]]", "there is no key 'expectd'; there are: expected"),
        ("[[expected]]\ntests = ['a']\nresult = 'fail'", "the key 'expected[0].why' is missing"),
        (
            "[[expected]]\ntests = 'a'\nresult = 'fail'\nwhy = ''",
            "the key 'expected[0].tests' must be an array, not 'a'",
        ),
        (
            "[[expected]]\ntests = ['a']\nresult = 'bad'\nwhy = ''",
            "the key 'expected[0].result' must be one of pass, skip, fail, timeout, crash, not 'bad'",
        ),
        (
            "[[expected]]\ntests = ['a']\nresult = 'fail'\nwhy = ''\nattempts = 0",
            "the key 'expected[0].attempts' must be a number from 1 to 99, not 0",
        ),
        (
            "[[expected]]\ntests = ['a']\nresult = 'fail'\nwhy = ''\ngpu = ['navi31']",
            "there is no key 'expected[0].gpu'; there are: tests, result, why, or_result, gpus",
        ),
    ],
)
def test_what_is_wrong_with_expectations(tmp_path: Path, text: str, sentence: str) -> None:
    """File, entry and key."""
    path = tmp_path / "expectations.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"{path}") + ".*" + re.escape(sentence)) as caught:
        load_expectations(path)
    assert "\n" not in str(caught.value)


def test_what_is_wrong_with_sets(tmp_path: Path) -> None:
    """A pattern is a string."""
    path = tmp_path / "programs.toml"
    path.write_text("[core]\namd_bo = 3\n")
    with pytest.raises(ValueError, match=re.escape("the key 'core.amd_bo' must be an array, not 3")):
        load_sets(path)
