# SPDX-License-Identifier: MIT
"""`scripts/driver_coverage.py`, as far as it goes without a build of the driver and a guest."""

from __future__ import annotations

import subprocess
from pathlib import Path

import driver_coverage
import pytest
from covered.blocks import NotedModule, read_notes
from covered.report import ChangedLine, changed_lines, coverage_view, line_states
from rich.console import Console

from amdgpu_hw.errors import HarnessError

SOURCE = """\
int work(int);
int choose(int wanted)
{
	if (wanted > 3)
		return work(1);
	return work(2) + 1;
}

int other(void)
{
	return work(3);
}
"""
THEN, ELSE = ("choose.c", 5), ("choose.c", 6)


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An object file with relocations, as a module is, that notes its blocks."""
    directory = tmp_path_factory.mktemp("module")
    (directory / "choose.c").write_text(SOURCE)
    flags = ["-O2", "-g", "-fsanitize-coverage=trace-pc", "-fno-reorder-blocks-and-partition", "-fcf-protection=none"]
    subprocess.run(["gcc", *flags, "-c", "choose.c", "-o", "choose.o"], cwd=directory, check=True)
    return directory / "choose.o"


def test_the_blocks_of_every_function_are_known_with_their_lines(module: Path) -> None:
    """Each branch has its own; the line of the condition belongs to the block before them."""
    functions = {function.name: function for function in NotedModule(module).functions}
    assert functions.keys() == {"choose", "other"}
    choose = functions["choose"]
    assert choose.file == "choose.c"
    owners = {place: {block.noted_at for block in choose.blocks if place in block.lines} for place in (THEN, ELSE)}
    assert owners[THEN]
    assert owners[ELSE]
    assert not owners[THEN] & owners[ELSE]
    assert ("choose.c", 4) in choose.blocks[0].lines


def test_a_line_ran_if_a_block_of_it_did(module: Path) -> None:
    """And a line without code is in neither state."""
    functions = NotedModule(module).functions
    then = frozenset(block.noted_at for each in functions for block in each.blocks if THEN in block.lines)
    states = line_states(functions, then)
    assert states[THEN]
    assert not states[ELSE]
    assert ("choose.c", 8) not in states


def test_an_ordinary_module_is_refused(tmp_path: Path) -> None:
    """In a sentence that says how to build another."""
    (tmp_path / "a.c").write_text(SOURCE)
    subprocess.run(["gcc", "-c", "a.c", "-o", "a.ko"], cwd=tmp_path, check=True)
    with pytest.raises(HarnessError, match=r"a\.ko notes nothing: .* --edits coverage"):
        NotedModule(tmp_path / "a.ko")
    with pytest.raises(HarnessError, match=r"none\.ko cannot be read"):
        NotedModule(tmp_path / "none.ko")


def test_notes_are_bits_from_the_beginning_of_the_text() -> None:
    """Lowest bit first, as the kernel's bitmaps are on x86; .text may begin behind other sections."""
    assert read_notes(bytes([0b1000_0001, 0, 0b10]), 0x1000, 0x1001) == {-1, 6, 16}


def test_a_patch_is_shown_line_by_line(tmp_path: Path) -> None:
    """Lines that ran, lines that did not, and lines without code, hunk by hunk."""
    for name, text in (("before", "a\nb\nc\n"), ("after", "a\nB\nnew\nc\nd\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.c").write_text(text)
    changed = changed_lines(tmp_path / "before", tmp_path / "after", ["x.c"])
    assert changed == [
        ChangedLine("x.c", 2, "B", True),
        ChangedLine("x.c", 3, "new", False),
        ChangedLine("x.c", 5, "d", True),
    ]


def test_the_table_names_what_did_not_run(module: Path) -> None:
    """By function and lines, and how much of the patch ran."""
    functions = NotedModule(module).functions
    then = frozenset(block.noted_at for each in functions for block in each.blocks if THEN in block.lines)
    changed = [ChangedLine("choose.c", 5, "\t\treturn work(1);", True), ChangedLine("choose.c", 6, "\treturn", False)]
    console = Console(width=120, record=True, file=(module.parent / "out").open("w"))
    console.print(coverage_view(functions, then, changed))
    text = console.export_text()
    assert "choose.c:5\n+ " in text
    assert "\n-         return" in text
    assert "1 of 2 changed lines with code ran (2 changed lines in all)" in text
    assert "0 of 1" in text  # other()


def test_a_guest_that_tells_nothing_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the notes are missing, nothing is guessed."""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    with pytest.raises(HarnessError, match="the guest did not tell what ran"):
        driver_coverage._run(tmp_path / "x.ko", "vega10", tmp_path, [])
