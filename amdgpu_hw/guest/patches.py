# SPDX-License-Identifier: MIT
"""Patches as people have them: diffs, mails and mailboxes; what they are, and applying them.

A patch applies whole or not at all, and without fuzz: fuzz would let a hunk land where its author did not mean it.
"""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from amdgpu_hw.errors import HarnessError

__all__ = ("Applied", "FileDiff", "Mail", "apply_diff", "apply_patches", "file_diffs", "read_mails")

_PATCH_TIMEOUT_S = 60
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What a diff does to one file."""

    name: str
    """Without the first part, which tools call a or b."""
    head: str
    hunks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mail:
    """A diff, and what the mail around it says, if there is one."""

    origin: str
    """The file it is in, and which of several mails there."""
    subject: str
    message_id: str
    text: str

    @property
    def diffs(self) -> list[FileDiff]:
        """The diff, file by file."""
        return file_diffs(self.text)

    @property
    def digest(self) -> str:
        """The same for the same change, whatever mail programs did to blanks at line ends and to the text around."""
        total = hashlib.sha256()
        for diff in self.diffs:
            total.update(f"{diff.name}\n".encode())
            for hunk in diff.hunks:
                # Line numbers, and what follows them, depend on the tree and on the program that made the diff.
                lines = ["@@", *(line.rstrip() for line in hunk.splitlines()[1:])]
                total.update("".join(f"{line}\n" for line in lines).encode())
        return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a patch."""

    patch: Path
    files: tuple[str, ...]
    problem: str
    """Empty if it applies."""


# ---- reading ----


def read_mails(file: Path) -> list[Mail]:
    """The patches in a file: a diff as it is, or those of mails, out of the encoding that mails have.

    Mails without a diff, as cover letters are, are left out. Raises `HarnessError` where the file cannot be read.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise HarnessError(f"{file} cannot be read: {error.strerror}") from None
    mails = list(_mails(content))
    found = []
    for number, (subject, message_id, text) in enumerate(mails, 1):
        origin = f"{file}, mail {number} of {len(mails)}" if len(mails) > 1 else str(file)
        if file_diffs(text):
            found.append(Mail(origin, subject, message_id, text))
    return found


def _mails(content: bytes) -> Iterator[tuple[str, str, str]]:
    """Subject, message ID and text of each mail; the first two are empty where there is only a diff."""
    starts = [found.start() for found in re.finditer(rb"^From \S+ .*\d{4}\r?$", content, re.MULTILINE)]
    if not starts and re.match(rb"[A-Za-z-]+: ", content):
        starts = [0]
    if not starts:
        yield "", "", _lines(content.decode("utf-8", "replace"))
        return
    for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
        message = email.message_from_bytes(content[start:end], policy=email.policy.default)
        parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
        text = "\n".join(_lines(str(part.get_content())) for part in parts)
        subject = " ".join(str(message["subject"] or "").split())
        yield subject, str(message["message-id"] or "").strip(" <>\t\r\n"), text


def _lines(text: str) -> str:
    """With the line ends of a kernel tree."""
    return text.replace("\r\n", "\n")


def file_diffs(text: str) -> list[FileDiff]:
    """Take a diff apart; what stands around it, signatures included, is left out."""
    lines = text.splitlines()
    found: list[FileDiff] = []
    at = 0
    while at + 1 < len(lines):
        if not (lines[at].startswith("--- ") and lines[at + 1].startswith("+++ ")):
            at += 1
            continue
        head = lines[at : at + 2]
        at += 2
        hunks = []
        while at < len(lines) and (begins := _HUNK.match(lines[at])):
            end = _hunk_end(lines, at, begins)
            hunks.append("".join(f"{line}\n" for line in lines[at:end]))
            at = end
        if hunks:
            found.append(FileDiff(_changed_name(head), "".join(f"{line}\n" for line in head), tuple(hunks)))
    return found


def _hunk_end(lines: Sequence[str], at: int, begins: re.Match[str]) -> int:
    """The line behind a hunk: it says itself how many lines of each side it has."""
    old, new = (int(count) if count is not None else 1 for count in begins.groups())
    at += 1
    while (old > 0 or new > 0) and at < len(lines):
        sign = lines[at][:1]
        old -= sign != "+" and sign != "\\"
        new -= sign != "-" and sign != "\\"
        at += 1
    while at < len(lines) and lines[at].startswith("\\ "):
        at += 1
    return at


def _changed_name(head: Sequence[str]) -> str:
    """The file that a diff changes, creates or removes."""
    names = [re.sub(r"\t.*", "", line[4:]) for line in (head[1], head[0])]
    name = names[0] if names[0] != "/dev/null" else names[1]
    return name.partition("/")[2]


# ---- applying ----


def apply_patches(tree: Path, patches: Sequence[Path], may_change: Callable[[PurePosixPath], bool]) -> list[Applied]:
    """Apply patches to a tree in order, each mail of them whole or not at all, until one does not."""
    results = []
    for patch in patches:
        applied = _apply(tree, patch, may_change)
        results.append(applied)
        if applied.problem:
            break
    return results


def _apply(tree: Path, patch: Path, may_change: Callable[[PurePosixPath], bool]) -> Applied:
    try:
        mails = read_mails(patch)
    except HarnessError as error:
        return Applied(patch, (), str(error).partition(f"{patch} ")[2])
    files: dict[str, None] = {}
    for number, mail in enumerate(mails, 1):
        files |= dict.fromkeys(diff.name for diff in mail.diffs)
        problem = apply_diff(tree, mail.text, may_change)
        if problem:
            which = f"mail {number} of {len(mails)}: " if len(mails) > 1 else ""
            return Applied(patch, tuple(files), which + problem)
    if not files:
        return Applied(patch, (), "it changes nothing: it has no hunk of a diff")
    return Applied(patch, tuple(files), "")


def apply_diff(
    tree: Path,
    text: str,
    may_change: Callable[[PurePosixPath], bool],
    left_out: Collection[tuple[str, int]] = (),
) -> str:
    """Apply a diff, all of it or nothing; what is wrong with it, empty if it applies.

    ``left_out`` are hunks that are not to be applied: file, and number among those of the file from 1 on.
    """
    if shutil.which("patch") is None:
        return "the program patch is not installed"
    diffs = file_diffs(text)
    problem = _not_ours([diff.name for diff in diffs], may_change)
    if problem:
        return problem
    if left_out:
        text = _without(diffs, left_out)
    command = ["patch", "-p1", "-N", "--fuzz=0", "--no-backup-if-mismatch", "-r", "-"]
    for arguments in (["--dry-run"], []):
        done = subprocess.run(
            [*command, *arguments],
            input=text,
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATCH_TIMEOUT_S,
        )
        if done.returncode and "+++ " in text:
            return _rejected(done.stdout, done.stderr)
    return ""


def _without(diffs: Sequence[FileDiff], left_out: Collection[tuple[str, int]]) -> str:
    kept = ""
    for diff in diffs:
        hunks = [hunk for number, hunk in enumerate(diff.hunks, 1) if (diff.name, number) not in left_out]
        kept += diff.head + "".join(hunks) if hunks else ""
    return kept


def _not_ours(names: Sequence[str], may_change: Callable[[PurePosixPath], bool]) -> str:
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not may_change(path):
            return f"it changes {name}, which is no part of amdgpu.ko: build that kernel whole"
    return ""


def _rejected(output: str, trouble: str) -> str:
    """Which hunks do not apply, from what patch prints."""
    serious = re.search(r"patch: \*{4} (.*)", trouble)
    if serious:
        return f"it is no patch: {serious[1]}"
    told, file = [], ""
    for line in output.splitlines():
        begins = re.match(r"(?:checking|patching) file (\S+)", line)
        if begins:
            file = begins[1]
        failed = re.match(r"Hunk #(\d+) FAILED at (\d+)", line)
        if failed:
            told.append(f"{file}: hunk {failed[1]} (line {failed[2]})")
        elif line.startswith(("can't find file", "Reversed")):
            told.append(line.rstrip("."))
    return "; ".join(told) or (output.strip().splitlines() or ["patch does not say why"])[-1]
