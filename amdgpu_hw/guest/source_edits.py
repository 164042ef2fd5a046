# SPDX-License-Identifier: MIT
"""Edits of a source tree, declared in TOML files: what a patch needs on a tree that it was not made for.

An edit is code of ours and the place where it belongs: a file, a function or structure in it, and an anchor, a few
words that exactly one line there has. It needs no text of the kernel beyond that, unlike a diff. Where an anchor fits
no line, or several, nothing is guessed.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

from amdgpu_hw.errors import HarnessError

__all__ = (
    "Action",
    "Edit",
    "EditFile",
    "EditsError",
    "Wanted",
    "When",
    "apply_edits",
    "edited",
    "find_edits",
    "read_edit",
)

_DIRECTORY = Path(__file__).with_name("edits")
_SUFFIX = ".toml"


class EditsError(HarnessError):
    """A file of edits is none, or an edit does not fit the source."""


class Action(Enum):
    """What an edit does at its anchor."""

    BEFORE = "insert-before"
    AFTER = "insert-after"
    REPLACE = "replace"
    """The line with the anchor, or all from there to the next one with ``through``."""
    DELETE = "delete"
    """As `REPLACE`, by nothing."""
    SUBSTITUTE = "substitute"
    """Only the anchor itself, the rest of its line stays; ``times`` says how often there is one."""


class When(Enum):
    """When an edit is made."""

    BEFORE = "before"
    """Before the patch: it gives lines near a change the form they have where the patch was made."""
    AFTER = "after"
    """After it."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of one file."""

    file: str
    anchor: str
    action: Action
    why: str
    within: str = ""
    """A function or structure; empty: the whole file."""
    through: str = ""
    times: int = 1
    code: str = ""
    patch: int = 0
    """Beside which patch of its file it is made, from 1 on; 0: after all of them."""
    when: When = When.AFTER

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.within or 'the file'} in {PurePosixPath(self.file).name}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A patch that a file of edits belongs to."""

    subject: str
    message_id: str
    digest: str
    """`amdgpu_hw.guest.patches.Mail.digest`."""
    left_out: Mapping[tuple[str, int], str]
    """Hunks that cannot be applied, and why; edits stand in for them if anything has to."""


@dataclass(frozen=True, slots=True)
class EditFile:
    """A file of edits."""

    name: str
    summary: str
    linux: str
    """The kernel they were made for: the beginning of its release."""
    needs: str
    """The name of the file that has to be applied first; empty if none has to."""
    patches: tuple[Wanted, ...]
    edits: tuple[Edit, ...]
    digest: str

    def beside(self, patch: int, when: When) -> list[Edit]:
        """The edits that belong before or after a patch, in order; with patch 0 those after all of them."""
        return [edit for edit in self.edits if edit.patch == patch and edit.when is when]


# ---- files ----


def find_edits(given: str) -> EditFile:
    """A file of edits: the name of one that comes with this package, or a path. Raises `EditsError`."""
    path = Path(given) if "/" in given or given.endswith(_SUFFIX) else _DIRECTORY / f"{given}{_SUFFIX}"
    try:
        content = path.read_bytes()
        return _edit_file(path.stem, tomllib.loads(content.decode()), hashlib.sha256(content).hexdigest())
    except OSError as error:
        known = ", ".join(sorted(file.stem for file in _DIRECTORY.glob(f"*{_SUFFIX}")))
        raise EditsError(
            f"the edits {path} cannot be read: {error.strerror}; there are {known}, and files by their path"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise EditsError(f"{path} is no file of edits: {_problem(error)}") from None


def _problem(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


def _edit_file(name: str, content: dict[str, Any], digest: str) -> EditFile:
    patches = tuple(_wanted(entry) for entry in _take(content, "patch", list, []))
    edits = tuple(read_edit(entry) for entry in _take(content, "edit", list, []))
    found = EditFile(
        name,
        _take(content, "summary"),
        _take(content, "linux"),
        _take(content, "needs", str, ""),
        patches,
        edits,
        digest,
    )
    _nothing_else(content, "the file")
    for edit in edits:
        if not 0 <= edit.patch <= len(patches):
            raise ValueError(f"an edit of {edit.place} is for patch {edit.patch} of {len(patches)}")
    return found


def _wanted(entry: dict[str, Any]) -> Wanted:
    left_out = {}
    for hunk in _take(entry, "left_out", list, []):
        left_out[_take(hunk, "file"), _take(hunk, "hunk", int)] = _take(hunk, "why")
        _nothing_else(hunk, "a hunk that is left out")
    found = Wanted(_take(entry, "subject"), _take(entry, "message_id"), _take(entry, "digest"), left_out)
    _nothing_else(entry, f"the patch '{found.subject}'")
    return found


def read_edit(entry: dict[str, Any]) -> Edit:
    """An edit as it stands in a file; ``entry`` is used up. Raises ValueError, KeyError or TypeError."""
    edit = Edit(
        file=_take(entry, "file"),
        anchor=_take(entry, "anchor"),
        action=Action(_take(entry, "action")),
        why=_take(entry, "why"),
        within=_take(entry, "within", str, ""),
        through=_take(entry, "through", str, ""),
        times=_take(entry, "times", int, 1),
        code=_take(entry, "code", str, ""),
        patch=_take(entry, "patch", int, 0),
        when=When(_take(entry, "when", str, When.AFTER.value)),
    )
    _nothing_else(entry, f"an edit of {edit.place}")
    if (edit.action is Action.DELETE) == bool(edit.code):
        raise ValueError(f"an edit of {edit.place}: 'delete' has no code, every other action has")
    if edit.through and edit.action not in (Action.REPLACE, Action.DELETE):
        raise ValueError(f"an edit of {edit.place}: 'through' is for 'replace' and 'delete'")
    return edit


def _take(table: dict[str, Any], key: str, kind: type = str, default: Any = None) -> Any:
    """Take a value out of a table; KeyError if there is none, TypeError if it is of another kind."""
    value = table.pop(key) if default is None else table.pop(key, default)
    if type(value) is not kind:
        raise TypeError(f"'{key}' is a {type(value).__name__}, not a {kind.__name__}")
    return value


def _nothing_else(table: Mapping[str, Any], what: str) -> None:
    if table:
        raise ValueError(f"{what} has what no edit knows: {', '.join(table)}")


# ---- editing ----


def apply_edits(tree: Path, edits: Sequence[Edit], may_change: Callable[[PurePosixPath], bool]) -> None:
    """Make edits in order. Raises `EditsError` for the first that does not fit: those before it are made."""
    for edit in edits:
        path = PurePosixPath(edit.file)
        if path.is_absolute() or ".." in path.parts or not may_change(path):
            raise EditsError(f"an edit changes {edit.file}, which is no part of amdgpu.ko")
        file = tree / path
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise EditsError(f"an edit changes {edit.file}, which cannot be read: {error.strerror}") from None
        file.write_text(edited(text, edit), encoding="utf-8")


def edited(text: str, edit: Edit) -> str:
    """The text of a file after an edit. Raises `EditsError` where it does not fit."""
    lines = text.splitlines(keepends=True)
    first, end = _scope(lines, edit)
    if edit.action is Action.SUBSTITUTE:
        before, inside, after = "".join(lines[:first]), "".join(lines[first:end]), "".join(lines[end:])
        if inside.count(edit.anchor) != edit.times:
            raise _misfit(edit, edit.anchor, inside.count(edit.anchor), edit.times)
        return before + inside.replace(edit.anchor, edit.code) + after
    at = _only_line(lines, first, end, edit)
    last = _last_line(lines, at, end, edit)
    code = edit.code.splitlines(keepends=True)
    match edit.action:
        case Action.BEFORE:
            begin, stop = at, at
        case Action.AFTER:
            begin, stop = at + 1, at + 1
        case _:
            begin, stop = at, last + 1
    if edit.action in (Action.BEFORE, Action.AFTER):
        there = lines[begin - len(code) : begin] if edit.action is Action.BEFORE else lines[begin : begin + len(code)]
        if there == code:
            raise EditsError(f"an edit of {edit.place} is made already: what it inserts is there")
    return "".join([*lines[:begin], *code, *lines[stop:]])


def _plain(text: str) -> str:
    return " ".join(text.split())


def _only_line(lines: Sequence[str], first: int, end: int, edit: Edit) -> int:
    found = [number for number in range(first, end) if _plain(edit.anchor) in _plain(lines[number])]
    if len(found) != 1:
        raise _misfit(edit, edit.anchor, len(found), 1)
    return found[0]


def _last_line(lines: Sequence[str], at: int, end: int, edit: Edit) -> int:
    """The line that is the last to be replaced: the first one with ``through`` behind the anchor."""
    if not edit.through:
        return at
    for number in range(at + 1, end):
        if _plain(edit.through) in _plain(lines[number]):
            return number
    raise _misfit(edit, edit.through, 0, 1)


def _scope(lines: Sequence[str], edit: Edit) -> tuple[int, int]:
    """The lines of a definition: from its name in a line that is not indented to the brace that closes it."""
    if not edit.within:
        return 0, len(lines)
    name = re.compile(rf"^(?!\s|[/#*]).*(?<!\w){re.escape(edit.within)}(?=\(| \{{)")
    found = [number for number, line in enumerate(lines) if name.match(line) and _is_definition(lines, number)]
    if len(found) != 1:
        raise EditsError(
            f"an edit of {edit.file}: '{edit.within}' is defined {_often(len(found))} there, it must be once"
        )
    first = found[0]
    end = next((number for number in range(first, len(lines)) if lines[number].startswith("}")), len(lines) - 1)
    return first, end + 1


def _is_definition(lines: Sequence[str], number: int) -> bool:
    """Whether a body follows, and not a semicolon, which ends a declaration."""
    for line in lines[number:]:
        if "{" in line:
            return True
        if ";" in line:
            return False
    return False


def _misfit(edit: Edit, anchor: str, found: int, wanted: int) -> EditsError:
    return EditsError(
        f"an edit of {edit.place} does not fit this source: '{anchor}' is there {_often(found)}, it must be "
        f"{_often(wanted)}"
    )


def _often(count: int) -> str:
    return {0: "not at all", 1: "once", 2: "twice"}.get(count, f"{count} times")
