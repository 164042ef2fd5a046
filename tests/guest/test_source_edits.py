# SPDX-License-Identifier: MIT
"""Edits of a source: where an anchor is found, what is done there, and what is refused; and the files they are in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from amdgpu_hw.guest.source_edits import Action, Edit, EditsError, When, apply_edits, edited, find_edits

FILE = "drivers/gpu/drm/amd/amdgpu/amdgpu_x.c"

SOURCE = """\
int amdgpu_first(struct amdgpu_vm *vm);

struct amdgpu_thing {
\tint\tfirst;
};

static int
amdgpu_first(struct amdgpu_vm *vm)
{
\tint r;

\tr = amdgpu_second(vm);
\tif (r)
\t\treturn r;
\treturn 0;
}

int amdgpu_second(struct amdgpu_vm *vm)
{
\tif (vm)
\t\treturn amdgpu_first(vm);
\treturn 0;
}
"""


def edit(anchor: str, action: Action, code: str = "", **more: object) -> Edit:
    """An edit of `FILE`, by default in amdgpu_first."""
    return replace(
        Edit(FILE, anchor, action, "because", "amdgpu_first", code=code),
        **more,  # type: ignore[arg-type]  # the fields of Edit
    )


@pytest.mark.parametrize(
    ("given", "before", "after"),
    [
        (edit("r = amdgpu_second", Action.BEFORE, "\tnew();\n"), "\tr = amdgpu", "\tnew();\n\tr = amdgpu"),
        (edit("int r;", Action.AFTER, "\tint i;\n"), "\tint r;\n", "\tint r;\n\tint i;\n"),
        (edit("int r;", Action.REPLACE, "\tlong r;\n"), "\tint r;\n", "\tlong r;\n"),
        (edit("if (r)", Action.REPLACE, "\tout();\n", through="return r;"), "\tif (r)\n\t\treturn r;\n", "\tout();\n"),
        (edit("if (r)", Action.DELETE, through="return r;"), "\tif (r)\n\t\treturn r;\n", ""),
        (edit("return 0;", Action.SUBSTITUTE, "return r;"), "\treturn r;\n\treturn 0;", "\treturn r;\n\treturn r;"),
        (edit("return", Action.SUBSTITUTE, "goto", times=2), "\t\treturn r;\n\treturn 0", "\t\tgoto r;\n\tgoto 0"),
        (edit("int first;", Action.AFTER, "\tint i;\n", within="struct amdgpu_thing"), "};", "\tint i;\n};"),
        (edit("return 0;", Action.DELETE, within="amdgpu_second"), "(vm);\n\treturn 0;\n", "(vm);\n"),
    ],
)
def test_an_edit_changes_its_place_and_nothing_else(given: Edit, before: str, after: str) -> None:
    """Blanks do not count in an anchor; a definition is told from declarations and calls of the same name."""
    expected = SOURCE.replace(before, after)
    assert SOURCE.count(before) == 1
    assert edited(SOURCE, given) == expected


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (edit("nowhere();", Action.DELETE), r"'nowhere\(\);' is there not at all, it must be once"),
        (edit("return", Action.DELETE), "'return' is there twice, it must be once"),
        (edit("return 0;", Action.DELETE, within=""), "'return 0;' is there twice"),
        (edit("return", Action.SUBSTITUTE, "goto", times=3), "is there twice, it must be 3 times"),
        (edit("int r;", Action.DELETE, within="amdgpu_third"), "'amdgpu_third' is defined not at all"),
        (edit("return 0;", Action.DELETE, through="int r;"), "'int r;' is there not at all"),
    ],
)
def test_an_anchor_that_does_not_fit_is_told_and_nothing_is_guessed(given: Edit, why: str) -> None:
    """In one sentence with the function and the file."""
    with pytest.raises(EditsError, match=why) as caught:
        edited(SOURCE, given)
    assert "amdgpu_x.c" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_defined_twice_is_refused() -> None:
    """As where the preprocessor chooses."""
    twice = SOURCE + SOURCE[SOURCE.index("int amdgpu_second") :]
    with pytest.raises(EditsError, match="'amdgpu_second' is defined twice there"):
        edited(twice, edit("if (vm)", Action.DELETE, within="amdgpu_second"))


@pytest.mark.parametrize(
    "given",
    [
        edit("int r;", Action.AFTER, "\tint i;\n"),
        edit("int r;", Action.BEFORE, "\tint i;\n"),
        edit("int r;", Action.REPLACE, "\tlong q;\n"),
        edit("int r;", Action.DELETE),
        edit("int r;", Action.SUBSTITUTE, "long q;"),
    ],
)
def test_no_edit_can_be_made_twice(given: Edit) -> None:
    """A source that has been edited is not one that was not."""
    with pytest.raises(EditsError, match=r"is made already|not at all"):
        edited(edited(SOURCE, given), given)


def test_edits_are_made_in_order(tmp_path: Path) -> None:
    """Each on what the one before has left."""
    file = tmp_path / FILE
    file.parent.mkdir(parents=True)
    file.write_text(SOURCE)
    steps = [
        edit("int r;", Action.SUBSTITUTE, "int q;"),
        edit("int q;", Action.AFTER, "\tint r;\n"),
        edit("int q;", Action.DELETE),
    ]
    apply_edits(tmp_path, steps, lambda _: True)
    assert file.read_text() == SOURCE
    with pytest.raises(EditsError, match="not at all"):
        apply_edits(tmp_path, [steps[2], *steps[:2]], lambda _: True)


@pytest.mark.parametrize("name", ["mm/memory.c", "../x.c", "/etc/passwd"])
def test_an_edit_cannot_leave_the_driver(tmp_path: Path, name: str) -> None:
    """Nor does it touch what would not be in amdgpu.ko."""
    with pytest.raises(EditsError, match="which is no part of amdgpu"):
        apply_edits(tmp_path, [edit("x", Action.DELETE, file=name)], lambda path: path.is_relative_to("drivers"))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Not every kernel has every file."""
    with pytest.raises(EditsError, match=r"amdgpu_x\.c, which cannot be read: No such file"):
        apply_edits(tmp_path, [edit("x", Action.DELETE)], lambda _: True)


ENTRY = 'file = "f.c"\nanchor = "x"\naction = "delete"\nwhy = "because"\n'
HEAD = 'summary = "s"\nlinux = "7.3"\n'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "it has no 'summary'"),
        ("no toml", "is no file of edits: Expected"),
        (f"{HEAD}[[edit]]\n{ENTRY}anker = 1\n", "what no edit knows: anker"),
        (f"{HEAD}colour = 1\n", "the file has what no edit knows: colour"),
        (f"{HEAD}[[edit]]\n{ENTRY.replace('delete', 'remove')}", "'remove' is not a valid Action"),
        (f"{HEAD}[[edit]]\n{ENTRY}code = 'c'\n", "'delete' has no code"),
        (f"{HEAD}[[edit]]\n{ENTRY.replace('delete', 'replace')}", "every other action has"),
        (f"{HEAD}[[edit]]\n{ENTRY}times = 'often'\n", "'times' is a str, not a int"),
        (f"{HEAD}[[edit]]\n{ENTRY}patch = 1\n", "is for patch 1 of 0"),
        (f"{HEAD}[[edit]]\n{ENTRY.replace('delete', 'insert-after')}code = 'c'\nthrough = 'y'\n", "'through' is for"),
    ],
)
def test_a_file_that_is_none_of_edits_is_refused(tmp_path: Path, content: str, why: str) -> None:
    """In one sentence with its name."""
    file = tmp_path / "mine.toml"
    file.write_text(content)
    with pytest.raises(EditsError, match=why) as caught:
        find_edits(str(file))
    assert str(file) in str(caught.value)


def test_a_name_that_no_file_has_is_told_with_those_there_are() -> None:
    """They come with this package."""
    with pytest.raises(EditsError, match=r"there are coverage, series-mended, series-on-7\.3"):
        find_edits("series-on-8.0")


@pytest.mark.parametrize("name", ["series-on-7.3", "series-mended"])
def test_the_edits_that_come_with_this_package_give_reasons_and_no_text_of_the_kernel(name: str) -> None:
    """An anchor is a few words, not a piece of source."""
    found = find_edits(name)
    assert found.summary
    assert found.linux == "7.3"
    for each in found.edits:
        assert each.why, each.place
        assert PurePosixPath(each.file).is_relative_to("drivers/gpu/drm/amd")
        for text in (each.anchor, each.through):
            assert "\n" not in text
            assert len(text) <= 70, text


def test_edits_before_a_patch_are_taken_back_behind_it() -> None:
    """What 7.3 has and the patch does not expect is not lost."""
    found = find_edits("series-on-7.3")
    before = {each.within for each in found.beside(1, When.BEFORE)}
    after = {each.within for each in found.beside(1, When.AFTER)}
    assert before - after == {"amdgpu_vm_clear_freed"}, "only its early return, which patch 2 brings back"
    assert not found.beside(0, When.AFTER)
