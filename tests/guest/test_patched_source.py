# SPDX-License-Identifier: MIT
"""Patches with the edits that they need: which mails they are, in which form and order, and what is said of them.

The source and the patches here are small ones of ours; that the series itself applies is shown by
`scripts/series_verdicts.py`, for which one needs its mails.
"""

from __future__ import annotations

import email.message
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.patched_source import Recipe, patch_source, read_recipe
from amdgpu_hw.guest.patches import read_mails
from amdgpu_hw.guest.source_edits import EditFile, find_edits

NAME = "drivers/gpu/drm/amd/amdgpu/amdgpu_vm.c"
RELEASE = "7.3.4-test"

# What the patches were made for has "old", this source has "newer"; they apply to it only with edits.
SOURCE = "int amdgpu_vm(void)\n{\n\tone();\n\tnewer();\n\ttwo();\n\tthree = 3;\n}\n"

HEAD = f"diff --git a/{NAME} b/{NAME}\nindex 1234567..89abcde 100644\n--- a/{NAME}\n+++ b/{NAME}\n"
FIRST = HEAD + "@@ -4,3 +4,3 @@ int amdgpu_vm(void)\n \told();\n-\ttwo();\n+\tdeux();\n \tthree = 3;\n"
FIRST += "@@ -6,2 +6,2 @@\n-\tnot = here;\n+\tat = all;\n }\n"
SECOND = HEAD + "@@ -5,3 +5,3 @@ int amdgpu_vm(void)\n \tdeux();\n-\tthree = 3;\n+\tthree = drei;\n }\n"
WHAT_COMES_OUT = SOURCE.replace("two", "deux").replace("= 3", "= drei").replace("newer();", "newer(4);")


def mail(text: str, number: int, encoding: str = "quoted-printable", message_id: str = "") -> bytes:
    """As a list's archive has it."""
    message = email.message.EmailMessage()
    message["Subject"] = f"[PATCH {number}/2] drm/amdgpu: number {number}"
    message["Message-Id"] = message_id or f"<{number}@example.org>"
    message.set_content(f"What it is for, with --- dashes.\n---\n x | 2 +-\n\n{text}\n-- \n2.54.0\n\n", cte=encoding)
    return bytes(message)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree."""
    file = tmp_path / "tree" / NAME
    file.parent.mkdir(parents=True)
    file.write_text(SOURCE)
    return tmp_path / "tree"


@pytest.fixture
def mails(tmp_path: Path) -> list[Path]:
    """The two patches, each a mail in a file."""
    files = [tmp_path / f"{number}.eml" for number in (1, 2)]
    for number, (file, text) in enumerate(zip(files, (FIRST, SECOND), strict=True), 1):
        file.write_bytes(mail(text, number))
    return files


@pytest.fixture
def edits(tmp_path: Path, mails: Sequence[Path]) -> list[EditFile]:
    """What the patches need, and a file that stands on it."""

    def entry(patch: int, when: str, anchor: str, code: str) -> str:
        place = f'file = "{NAME}"\nwithin = "amdgpu_vm"\nanchor = "{anchor}"\naction = "substitute"\n'
        return f'[[edit]]\npatch = {patch}\nwhen = "{when}"\n{place}code = "{code}"\nwhy = "7.3 has it otherwise"\n'

    wanted = [read_mails(file)[0] for file in mails]
    first = tmp_path / "base.toml"
    first.write_text(
        'summary = "s"\nlinux = "7.3"\n'
        + "".join(
            f'[[patch]]\nsubject = "{each.subject}"\nmessage_id = "{each.message_id}"\ndigest = "{each.digest}"\n'
            + (
                f'[[patch.left_out]]\nfile = "{NAME}"\nhunk = 2\nwhy = "it is not in 7.3"\n'
                if each is wanted[0]
                else ""
            )
            for each in wanted
        )
        + entry(1, "before", "newer", "old")
        + entry(1, "after", "old", "newer")
    )
    second = tmp_path / "more.toml"
    second.write_text(
        'summary = "s"\nlinux = "7.3"\nneeds = "base"\n' + entry(0, "after", "newer()", "newer(4)"),
    )
    return [find_edits(str(file)) for file in (first, second)]


Patch = Callable[..., tuple[str, list[str], Recipe]]


@pytest.fixture
def patch(tree: Path, edits: list[EditFile]) -> Patch:
    """Apply patches with edits: the source, what was said, and the recipe."""

    def apply(
        *patches: Path, edits: Sequence[EditFile] = edits, release: str = RELEASE
    ) -> tuple[str, list[str], Recipe]:
        said: list[str] = []
        recipe = patch_source(tree, release, patches, edits, lambda _: True, said.append)
        return (tree / NAME).read_text(), said, recipe

    return apply


def test_patches_apply_with_their_edits_and_all_of_it_is_said(patch: Patch, mails: list[Path]) -> None:
    """What applied whole, which hunks did not, and each edit with its reason."""
    text, said, recipe = patch(*mails)
    assert text == WHAT_COMES_OUT
    first = f"[PATCH 1/2] drm/amdgpu: number 1 ({mails[0]})"
    assert said == [
        f"{first} applies but for 1 of 2 hunks:",
        "  left out: hunk 2 of amdgpu_vm.c: it is not in 7.3",
        "  edit of amdgpu_vm in amdgpu_vm.c, before it: 7.3 has it otherwise",
        "  edit of amdgpu_vm in amdgpu_vm.c, after it: 7.3 has it otherwise",
        f"[PATCH 2/2] drm/amdgpu: number 2 ({mails[1]}) applies whole: 1 files, 1 hunks",
        "more: edit of amdgpu_vm in amdgpu_vm.c: 7.3 has it otherwise",
    ]
    assert [words.partition(" (")[0] for words in recipe.patches] == [
        "[PATCH 1/2] drm/amdgpu: number 1",
        "[PATCH 2/2] drm/amdgpu: number 2",
    ]
    assert [words.partition(" (")[0] for words in recipe.edits] == ["base", "more"]


def test_the_order_in_which_mails_are_given_does_not_matter(patch: Patch, mails: list[Path]) -> None:
    """They are recognized by what they change."""
    assert patch(mails[1], mails[0])[0] == WHAT_COMES_OUT


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64", "8bit"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_mail_is_recognized_however_it_was_sent_and_saved(
    patch: Patch, mails: list[Path], encoding: str, line_end: bytes
) -> None:
    """Archives send = as =3D and cut lines in two; other programs save with the line ends of mail."""
    for number, (file, text) in enumerate(zip(mails, (FIRST, SECOND), strict=True), 1):
        file.write_bytes(mail(text, number, encoding).replace(b"\n", line_end))
    assert patch(*mails)[0] == WHAT_COMES_OUT


def test_a_diff_without_a_mail_is_recognized(patch: Patch, mails: list[Path]) -> None:
    """As git format-patch --stdout or a web page's download has it; its line numbers may be others."""
    mails[0].write_text(FIRST.replace("@@ -4,3 +4,3 @@ int amdgpu_vm(void)", "@@ -14,3 +14,3 @@"))
    assert patch(*mails)[0] == WHAT_COMES_OUT


def test_a_mailbox_may_have_a_cover_letter(patch: Patch, tmp_path: Path) -> None:
    """As b4 am fetches it."""
    cover = email.message.EmailMessage()
    cover["Subject"] = "[PATCH 0/2] drm/amdgpu: a series"
    cover.set_content("Hi.\n\n x | 2 +-\n-- \nMe\n")
    box = tmp_path / "series.mbox"
    head = b"From 0123456789abcdef Mon Sep 17 00:00:00 2001\n"
    box.write_bytes(b"".join(head + each + b"\n" for each in (bytes(cover), mail(FIRST, 1), mail(SECOND, 2))))
    assert patch(box)[0] == WHAT_COMES_OUT


def test_a_cover_letter_may_be_given(patch: Patch, mails: list[Path], tmp_path: Path) -> None:
    """It is said that there is nothing in it to apply; without edits that would be an error."""
    cover = tmp_path / "0.eml"
    cover.write_text("Subject: [PATCH 0/2] a series\n\nHi.\n")
    text, said, _ = patch(cover, *mails)
    assert (text, said[0]) == (WHAT_COMES_OUT, f"{cover} has no diff, as a cover letter has none")
    with pytest.raises(HarnessError, match="it changes nothing"):
        patch(cover, edits=[])


def test_a_missing_patch_is_told_by_its_subject(patch: Patch, mails: list[Path]) -> None:
    """With its Message-Id, by which it can be fetched."""
    with pytest.raises(
        HarnessError, match=r"need the patch '\[PATCH 2/2\].*' \(Message-Id 2@example\.org\), which was not"
    ):
        patch(mails[0])


def test_a_mail_whose_diff_is_damaged_is_told(patch: Patch, mails: list[Path]) -> None:
    """Web pages of archives lose blanks."""
    mails[1].write_bytes(mail(SECOND.replace("\tdeux", "deux"), 2))
    with pytest.raises(HarnessError, match=r"2\.eml says that it is '.*number 2', but its diff is not the one"):
        patch(*mails)


def test_another_version_of_a_patch_is_refused(patch: Patch, mails: list[Path], tmp_path: Path) -> None:
    """Edits for one version do not fit another, even where both are given."""
    other = tmp_path / "v2.eml"
    other.write_bytes(mail(SECOND.replace("drei", "trois"), 2, message_id="<v2@example.org>"))
    with pytest.raises(HarnessError, match="another version of"):
        patch(*mails, other)
    with pytest.raises(HarnessError, match="which was not given"):
        patch(mails[0], other)


def test_a_patch_that_no_edits_are_for_comes_last(patch: Patch, mails: list[Path], tmp_path: Path) -> None:
    """A person's own mend stands on the series."""
    mine = tmp_path / "mine.diff"
    mine.write_text(HEAD + "@@ -3,3 +3,3 @@\n \tone();\n-\tnewer(4);\n+\tmine();\n \tdeux();\n")
    text, said, recipe = patch(mine, *mails)
    assert text == WHAT_COMES_OUT.replace("newer(4)", "mine()")
    assert said[-1] == f"{mine} applies whole: 1 files, 1 hunks"
    assert recipe.patches[-1].startswith("mine.diff (")


def test_edits_are_for_one_kernel(patch: Patch, mails: list[Path]) -> None:
    """Anchors may fit another by accident."""
    with pytest.raises(HarnessError, match=r"edits base are for Linux 7\.3, not for 6\.12\.1"):
        patch(*mails, release="6.12.1")


def test_edits_that_stand_on_others_need_them(patch: Patch, mails: list[Path], edits: list[EditFile]) -> None:
    """Said with the options that are to be given."""
    with pytest.raises(HarnessError, match="the edits more stand on base: --edits base --edits more"):
        patch(*mails, edits=[edits[1], edits[0]])


def test_without_edits_patches_apply_in_order(patch: Patch, mails: list[Path]) -> None:
    """And whole, or not at all."""
    with pytest.raises(HarnessError, match=r"1\.eml does not apply to 7\.3\.4-test: .*amdgpu_vm\.c: hunk 1 \(line 4\)"):
        patch(*mails, edits=[])


def test_a_recipe_is_kept_beside_its_module(tmp_path: Path, patch: Patch, mails: list[Path]) -> None:
    """Of a module that somebody else built nothing is known."""
    module = tmp_path / "amdgpu-7.3-x.ko"
    assert read_recipe(module) == Recipe((), ())
    recipe = patch(*mails)[2]
    recipe.write(module)
    assert read_recipe(module) == recipe
    (beside,) = tmp_path.glob("*.recipe.json")
    beside.write_text(json.dumps({"patches": []}))
    with pytest.raises(HarnessError, match="cannot be read"):
        read_recipe(module)
