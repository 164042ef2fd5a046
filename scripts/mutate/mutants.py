# SPDX-License-Identifier: MIT
"""The mutants of a file of the mock kernel: found in its syntax tree, planted as changes of its text."""

from __future__ import annotations

import ast
import fnmatch
import importlib
import inspect
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.mock import kernel
from amdgpu_hw.mock.source_change import SourceChange, changed_code
from mutate.machine import is_same_kernel
from mutate.mixed_up import CONSTANTS
from mutate.operators import Place, edits
from mutate.parts import Part, read_parts

__all__ = ("KERNEL", "Mutant", "mutants_of", "mutants_of_text")

assert kernel.__file__ is not None
KERNEL = Path(kernel.__file__).parent
_NAMES_OF_MODULE = re.compile(r"\b[A-Z][A-Z0-9_]+\b")
_SHOWN = 70


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wrong kernel: in ``function`` of ``file`` (below mock/kernel), on ``line``, ``old`` has become ``new``."""

    file: str
    function: str
    operator: str
    line: int
    reached_by: tuple[int, int]
    """First and last of the lines that run when what is changed does."""
    start: int
    old: str
    new: str
    nth: int = 1
    """Which of those in the function that say the same."""

    @property
    def key(self) -> str:
        """What it is called in the list of equivalents; stays the same while the function does."""
        text = f"{_one_line(self.old)} -> {_one_line(self.new)}"
        return f"{self.file}:{self.function}:{self.operator}:{text}" + (f"#{self.nth}" if self.nth > 1 else "")

    def is_valid(self) -> bool:
        """Whether it leaves a valid module, whose functions are of the kind they were, and one does something else.

        On the machines that mutants run on: what would be another kernel elsewhere only is none.
        """
        text = (KERNEL / self.file).read_text(encoding="utf-8")
        try:
            changed_code(text, self.start, self.old, self.new, self.file)
        except HarnessError:
            return False
        changed = text[: self.start] + self.new + text[self.start + len(self.old) :]
        return not is_same_kernel(text, changed, self.function)

    @property
    def description(self) -> str:
        """One line for people, also those who read the machine's log."""
        return f"{self.operator} in {self.function} ({self.file}:{self.line})."

    @property
    def change(self) -> str:
        """What has become what, short enough for a table."""
        return f"{_short(self.old)} -> {_short(self.new)}"

    def as_bug(self) -> str:
        """The text of a planted bug's file."""
        change = SourceChange(_module_name(self.file), self.start, self.old, self.new)
        return (
            f'"""{self.description}"""\n\n'
            "from amdgpu_hw.mock.planting import Bug\n"
            "from amdgpu_hw.mock.source_change import SourceChange\n\n"
            f"BUG = Bug(caught_by=())\nCHANGE = {change!r}\n"
        )


def mutants_of(file: str) -> list[Mutant]:
    """All mutants of a file below mock/kernel, in the order of its text."""
    module = importlib.import_module(_module_name(file))
    return mutants_of_text((KERNEL / file).read_text(encoding="utf-8"), file, module, read_parts())


def mutants_of_text(text: str, file: str, module: ModuleType, parts: Sequence[Part] = ()) -> list[Mutant]:
    """The mutants of a module's text but for those in ``parts``; not all of them leave a valid module."""
    tree = ast.parse(text)
    offsets = _Offsets(text)
    source = _Source(text, tree, module, offsets)
    counted: Counter[tuple[str, str, str, str]] = Counter()
    found: list[Mutant] = []
    here = [part for part in parts if fnmatch.fnmatch(file, part.files)]
    without = {node for node in ast.walk(tree) if any(part.covers(node) for part in here)}
    for function, place in source.places():
        if not without.isdisjoint((place.node, *place.parents)):
            continue
        for edit in edits(place):
            start, end = offsets.span(edit.node)
            old = text[start:end]
            if old == edit.new or not source.knows(edit.new):
                continue
            name = (function, edit.operator, _one_line(old), _one_line(edit.new))
            counted[name] += 1
            lines = _lines_of(place)
            found.append(
                Mutant(file, function, edit.operator, edit.node.lineno, lines, start, old, edit.new, counted[name])
            )
    return found


class _Offsets:
    """From lines and columns, which `ast` counts in bytes, to characters of a text."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Where a node begins and ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)

    def _at(self, line: int, column: int) -> int:
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())


class _Source:
    """A module as the operators ask for it."""

    def __init__(self, text: str, tree: ast.Module, module: ModuleType, offsets: _Offsets) -> None:
        self._text = text
        self._tree = tree
        self._module = module
        self._offsets = offsets
        self._members: dict[str, set[str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                self._members.setdefault(ast.unparse(node.value), set()).add(node.attr)

    def places(self) -> Iterator[tuple[str, Place]]:
        """All nodes inside of functions, with the name of the outermost function."""
        for name, function in _functions(self._tree, ""):
            names = frozenset(
                [node.arg for node in ast.walk(function) if isinstance(node, ast.arg)]
                + [node.id for node in ast.walk(function) if isinstance(node, ast.Name)]
            )
            for node, parents in _below(function, ()):
                yield name, Place(node, parents, self._text_of, self._same_type, self._has_member, names)

    def knows(self, new: str) -> bool:
        """Whether the module knows all constants of a new text: what it does not is a crash and no mistake."""
        families = {name for group in CONSTANTS for name in group}
        errors = vars(self._module).get("errno")
        words = [word for word in _NAMES_OF_MODULE.findall(new) if word in families]
        return all(hasattr(self._module, word) or hasattr(errors, word) for word in words)

    def _text_of(self, node: ast.AST) -> str:
        if isinstance(node, ast.keyword):
            value = self._text_of(node.value)
            return f"{node.arg}={value}" if node.arg else f"**{value}"
        assert isinstance(node, ast.expr | ast.stmt)
        start, end = self._offsets.span(node)
        text = self._text[start:end]
        # What stands in brackets may go over lines that do not, once they are in other brackets.
        return " ".join(text.split()) if isinstance(node, ast.expr) and "#" not in text else text

    def _same_type(self, call: ast.Call) -> tuple[tuple[int, int], ...]:
        parameters = self._parameters(call)
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            return ()
        pairs = zip(range(len(call.args) - 1), parameters, parameters[1:], strict=False)
        return tuple((index, index + 1) for index, one, other in pairs if one and one == other)

    def _parameters(self, call: ast.Call) -> list[str]:
        """The types of the called function's parameters, as far as it is known by its name."""
        value: object = self._module
        for part in ast.unparse(call.func).split("."):
            value = getattr(value, part, None)
        if isinstance(value, type):
            initial = vars(value).get("__init__")
            return _types(initial)[1:] if isinstance(initial, FunctionType) else []
        return _types(value) if isinstance(value, FunctionType) else []

    def _has_member(self, owner: ast.expr, name: str) -> bool:
        return name in self._members.get(ast.unparse(owner), ())


def _types(function: FunctionType) -> list[str]:
    return [
        str(parameter.annotation) if parameter.annotation is not inspect.Parameter.empty else ""
        for parameter in inspect.signature(function).parameters.values()
    ]


def _functions(node: ast.AST, above: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{above}{child.name}.")
        elif isinstance(child, ast.FunctionDef):
            yield f"{above}{child.name}", child


def _below(node: ast.AST, parents: tuple[ast.AST, ...]) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    """What runs of a function: neither its signature, nor asserts, nor what log lines and errors say."""
    for field, value in ast.iter_fields(node):
        if isinstance(node, ast.FunctionDef) and field != "body":
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Assert | ast.JoinedStr):
                continue
            if isinstance(child, ast.AnnAssign) and child.value is None:
                continue
            if isinstance(node, ast.AnnAssign) and field == "annotation":
                continue
            if isinstance(child, ast.keyword) and child.arg == "strict":
                continue  # zip() only asserts with it
            yield child, (*parents, node)
            yield from _below(child, (*parents, node))


def _lines_of(place: Place) -> tuple[int, int]:
    """The lines of the innermost statement, of one with a body those of its head."""
    statement = next(node for node in (place.node, *reversed(place.parents)) if isinstance(node, ast.stmt))
    last = statement.end_lineno or statement.lineno
    if isinstance(statement, ast.If | ast.While):
        last = statement.test.end_lineno or last
    elif isinstance(statement, ast.For):
        last = statement.iter.end_lineno or last
    elif isinstance(statement, ast.With | ast.Try):
        last = statement.body[0].lineno
    return statement.lineno, last


def _module_name(file: str) -> str:
    return f"{kernel.__name__}.{file.removesuffix('.py').replace('/', '.')}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _short(text: str) -> str:
    line = _one_line(text)
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
