# SPDX-License-Identifier: MIT
"""What ran, as people read it: function by function, and a patch line by line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from covered.blocks import Function

__all__ = ("ChangedLine", "changed_lines", "coverage_view", "line_states")

_RAN, _MISSED, _NONE = "+", "-", " "


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """A line that a patch adds or changes."""

    file: str
    number: int
    text: str
    begins_hunk: bool


def line_states(functions: Sequence[Function], ran: frozenset[int]) -> dict[tuple[str, int], bool]:
    """Whether each line that has code ran: if any block that was made from it did."""
    states: dict[tuple[str, int], bool] = {}
    for function in functions:
        for block in function.blocks:
            for place in block.lines:
                states[place] = states.get(place, False) or block.noted_at in ran
    return states


def changed_lines(before: Path, after: Path, files: Sequence[str]) -> list[ChangedLine]:
    """What differs between two directories, as lines of the second one."""
    found = []
    for file in files:
        old, new = ((each / file).read_text(encoding="utf-8").splitlines() for each in (before, after))
        for kind, _, _, first, end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if kind in ("insert", "replace"):
                found += [ChangedLine(file, at + 1, new[at], at == first) for at in range(first, end)]
    return found


def coverage_view(functions: Sequence[Function], ran: frozenset[int], changed: Sequence[ChangedLine]) -> Group:
    """The functions, then the changed lines with what is known of each."""
    parts: list[RenderableType] = [_functions(functions, ran)]
    if changed:
        states = line_states(functions, ran)
        parts += [Text(), _patch(changed, states), Text(), _summary(changed, states)]
    return Group(*parts)


def _functions(functions: Sequence[Function], ran: frozenset[int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("file", "function", "blocks that ran", "lines that did not"):
        table.add_column(heading)
    for function in sorted(functions, key=lambda each: (each.file, each.name)):
        hit = sum(block.noted_at in ran for block in function.blocks)
        states = line_states([function], ran)
        missed = sorted(line for (file, line), state in states.items() if not state and file == function.file)
        table.add_row(function.file, function.name, f"{hit} of {len(function.blocks)}", _ranges(missed))
    return table


def _ranges(lines: Sequence[int]) -> str:
    """Numbers with neighbours joined: 3-5, 9."""
    groups: list[list[int]] = []
    for line in lines:
        if groups and line == groups[-1][-1] + 1:
            groups[-1].append(line)
        else:
            groups.append([line])
    return ", ".join(f"{group[0]}-{group[-1]}" if len(group) > 1 else str(group[0]) for group in groups)


def _patch(changed: Sequence[ChangedLine], states: Mapping[tuple[str, int], bool]) -> Text:
    text = Text("Lines of the patch: + ran, - did not, others have no code of their own\n")
    for line in changed:
        if line.begins_hunk:
            text.append(f"{line.file}:{line.number}\n", "bold")
        state = states.get((line.file, line.number))
        sign, style = (_NONE, "dim") if state is None else (_RAN, "green") if state else (_MISSED, "bold red")
        text.append(f"{sign} {line.text.expandtabs(8)}\n", style)
    return text


def _summary(changed: Sequence[ChangedLine], states: Mapping[tuple[str, int], bool]) -> Text:
    known = [states[line.file, line.number] for line in changed if (line.file, line.number) in states]
    return Text(f"{sum(known)} of {len(known)} changed lines with code ran ({len(changed)} changed lines in all)")
