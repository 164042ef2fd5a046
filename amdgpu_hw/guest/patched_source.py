# SPDX-License-Identifier: MIT
"""Making the source that a module is built from: a person's patches, and the edits that they need.

Edits belong to certain patches, which are recognized by what they change: in which order they are given, and whether as
mails, as a mailbox or as diffs, does not matter. Patches that no edits belong to come last, in the order given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from amdgpu_hw.atomic_file import replace_file
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.patches import Mail, apply_diff, read_mails
from amdgpu_hw.guest.source_edits import EditFile, Wanted, When, apply_edits

__all__ = ("Recipe", "patch_source", "read_recipe")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a source was made of, in words for reports."""

    patches: tuple[str, ...]
    """Subject, or file, and the beginning of the digest of each patch, in the order they were applied."""
    edits: tuple[str, ...]
    """Name and beginning of the digest of each file of edits."""

    def write(self, module: Path) -> None:
        """Keep it beside the module that was built."""
        replace_file(_recipe_file(module), f"{json.dumps(asdict(self), indent=1)}\n".encode())


def read_recipe(module: Path) -> Recipe:
    """What a module was built from; of one that `amdgpu_hw.guest.build` did not build nothing is known.

    Raises `HarnessError` where what is beside it cannot be read.
    """
    file = _recipe_file(module)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Recipe(tuple(content["patches"]), tuple(content["edits"]))
    except FileNotFoundError:
        return Recipe((), ())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HarnessError(f"{file}, which says what the module was built from, cannot be read: {error}") from None


def _recipe_file(module: Path) -> Path:
    return module.with_suffix(".recipe.json")


def patch_source(
    tree: Path,
    release: str,
    patches: Sequence[Path],
    edits: Sequence[EditFile],
    may_change: Callable[[PurePosixPath], bool],
    say: Callable[[str], None],
) -> Recipe:
    """Apply patches and edits to a tree, and say which; the tree is of no use after an error.

    Raises `HarnessError` where something does not apply, or where patches are not those that the edits are for.
    """
    _check_order(edits, release)
    wanted = [each for file in edits for each in file.patches]
    mails = []
    for patch in patches:
        found = read_mails(patch)
        if not found and not wanted:
            raise HarnessError(f"{patch} does not apply to {release}: it changes nothing, it has no hunk of a diff")
        if not found:
            say(f"{patch} has no diff, as a cover letter has none")
        mails += found
    chosen = {each.digest: _find(mails, each, file) for file in edits for each in file.patches}
    others = [mail for mail in mails if mail.digest not in chosen]
    if wanted:
        _check_others(others, wanted)

    applied = []
    for file in edits:
        for number, each in enumerate(file.patches, 1):
            mail = chosen[each.digest]
            applied.append(mail)
            before, after = (file.beside(number, when) for when in (When.BEFORE, When.AFTER))
            apply_edits(tree, before, may_change)
            _apply(tree, release, mail, may_change, each)
            apply_edits(tree, after, may_change)
            _say_applied(say, mail, each)
            for edit in (*before, *after):
                say(f"  edit of {edit.place}, {edit.when.value} it: {edit.why}")
        rest = file.beside(0, When.AFTER)
        apply_edits(tree, rest, may_change)
        for edit in rest:
            say(f"{file.name}: edit of {edit.place}: {edit.why}")
    for mail in others:
        _apply(tree, release, mail, may_change, None)
        _say_applied(say, mail, None)
    return Recipe(
        tuple(f"{mail.subject or Path(mail.origin).name} ({mail.digest[:12]})" for mail in (*applied, *others)),
        tuple(f"{file.name} ({file.digest[:12]})" for file in edits),
    )


def _check_order(edits: Sequence[EditFile], release: str) -> None:
    before: list[str] = []
    for file in edits:
        if not release.startswith(file.linux):
            raise HarnessError(f"the edits {file.name} are for Linux {file.linux}, not for {release}")
        if file.needs and file.needs not in before:
            raise HarnessError(f"the edits {file.name} stand on {file.needs}: --edits {file.needs} --edits {file.name}")
        before.append(file.name)


def _find(mails: Sequence[Mail], wanted: Wanted, file: EditFile) -> Mail:
    """The patch that edits are for, among those given."""
    for mail in mails:
        if mail.digest == wanted.digest:
            return mail
    for mail in mails:
        if mail.message_id == wanted.message_id:
            raise HarnessError(
                f"{mail.origin} says that it is '{wanted.subject}', but its diff is not the one that was posted: "
                "save the raw mail (b4 am, or 'raw' in a mailing list's archive)"
            )
    raise HarnessError(
        f"the edits {file.name} need the patch '{wanted.subject}' (Message-Id {wanted.message_id}), which was not "
        f"given; given: {', '.join(mail.subject or mail.origin for mail in mails) or 'none'}"
    )


def _check_others(others: Sequence[Mail], wanted: Sequence[Wanted]) -> None:
    """A patch beside those that edits are for may be a person's own, but not another version of theirs."""
    for mail in others:
        for each in wanted:
            if mail.subject and _title(mail.subject) == _title(each.subject):
                raise HarnessError(
                    f"{mail.origin} is another version of '{each.subject}' than the one that the edits are for"
                )


def _title(subject: str) -> str:
    return subject.rpartition("] ")[2]


def _apply(
    tree: Path, release: str, mail: Mail, may_change: Callable[[PurePosixPath], bool], wanted: Wanted | None
) -> None:
    left_out = list(wanted.left_out) if wanted else []
    problem = apply_diff(tree, mail.text, may_change, left_out)
    if problem:
        raise HarnessError(f"{mail.origin} does not apply to {release}: {problem}")


def _say_applied(say: Callable[[str], None], mail: Mail, wanted: Wanted | None) -> None:
    left_out = wanted.left_out if wanted else {}
    hunks = sum(len(diff.hunks) for diff in mail.diffs)
    what = f"{mail.subject} ({mail.origin})" if mail.subject else mail.origin
    if not left_out:
        say(f"{what} applies whole: {len(mail.diffs)} files, {hunks} hunks")
        return
    say(f"{what} applies but for {len(left_out)} of {hunks} hunks:")
    for (name, number), why in left_out.items():
        say(f"  left out: hunk {number} of {PurePosixPath(name).name}: {why}")
