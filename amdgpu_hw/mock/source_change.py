# SPDX-License-Identifier: MIT
"""A wrong kernel as a change of the mock kernel's text, in the middle of a function.

What `planting.replaces` cannot reach, this does: functions in tables (ioctls), properties, nested functions. The
function stays the object it is and gets other code; nothing has to be found that refers to it.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.mock.planting import Change

__all__ = ("SourceChange", "changed_code")


@dataclass(frozen=True, slots=True)
class SourceChange(Change):
    """In ``module``, the text ``old`` that begins at character ``start`` becomes ``new``."""

    module: str
    start: int
    old: str
    new: str

    def plant(self) -> Callable[[], None]:
        """Give the functions around the change their new code; `HarnessError` if there is none that could take it."""
        module = importlib.import_module(self.module)
        assert module.__file__ is not None, "a module of the mock kernel is a file"
        path = Path(module.__file__)
        text = path.read_text(encoding="utf-8")
        if text[self.start : self.start + len(self.old)] != self.old:
            raise HarnessError(f"{path} has changed: at character {self.start} there is no {self.old!r}")
        changed = changed_code(text, self.start, self.old, self.new, str(path))
        functions = {function.__qualname__: function for function in _functions(module)}
        for name in changed:
            if name not in functions:
                raise HarnessError(f"{name} of {self.module} cannot be changed: it is no function of the module")
        before = {name: functions[name].__code__ for name in changed}
        for name, code in changed.items():
            functions[name].__code__ = code

        def lift() -> None:
            for name, code in before.items():
                functions[name].__code__ = code

        return lift


def changed_code(text: str, start: int, old: str, new: str, path: str) -> dict[str, CodeType]:
    """Return the code that a change of a module's text gives to its functions, by qualified name.

    Only of functions in no other function: what is nested in one is a part of its code. Raises `HarnessError` where the
    change leaves no valid module, changes what is outside of all functions, or what a function takes from around it.
    """
    before = _compiled(text, path)
    try:
        after = _code_of_module(text[:start] + new + text[start + len(old) :], path)
    except SyntaxError as error:
        raise HarnessError(f"{new!r} cannot stand in {path}: {error.msg}") from None
    changed = {name: code for name, code in after.items() if name in before and not _same(before[name], code)}
    if not changed or before.keys() != after.keys():
        raise HarnessError(f"{old!r} to {new!r} changes no function of {path}")
    for name, code in changed.items():
        if code.co_freevars != before[name].co_freevars or code.co_flags != before[name].co_flags:
            raise HarnessError(f"{old!r} to {new!r} makes {name} another kind of function")
    return changed


def _code_of_module(text: str, path: str) -> dict[str, CodeType]:
    return dict(_code_of_functions(compile(text, path, "exec", dont_inherit=True)))


_compiled = functools.lru_cache(maxsize=8)(_code_of_module)
"""Of a module as it is: it is changed in many ways."""


def _same(one: CodeType, other: CodeType) -> bool:
    """Whether code does the same; where its lines are in the file is no difference."""
    if (one.co_code, one.co_names, one.co_varnames) != (other.co_code, other.co_names, other.co_varnames):
        return False
    if len(one.co_consts) != len(other.co_consts):
        return False
    return all(
        _same(mine, its)
        if isinstance(mine, CodeType) and isinstance(its, CodeType)
        else (type(mine), mine) == (type(its), its)
        for mine, its in zip(one.co_consts, other.co_consts, strict=True)
    )


def _code_of_functions(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    """Functions of a module and of its classes. A property and its setter have one name, and are not told apart."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & _NEWLOCALS:
                yield constant.co_qualname, constant
            else:
                yield from _code_of_functions(constant)


_NEWLOCALS = 2
"""CO_NEWLOCALS: a function's code, not a class's or a module's."""


def _functions(holder: ModuleType | type) -> Iterator[FunctionType]:
    """The functions that a module, or a class of it, defines, behind whatever decorates them."""
    module = holder.__name__ if isinstance(holder, ModuleType) else holder.__module__
    for value in list(vars(holder).values()):
        if isinstance(value, type):
            if value.__module__ == module and value is not holder:
                yield from _functions(value)
            continue
        for function in _behind(value):
            if function.__module__ == module:
                yield function


def _behind(value: object) -> Iterator[FunctionType]:
    if isinstance(value, property):
        for function in (value.fget, value.fset, value.fdel):
            yield from _behind(function)
    elif isinstance(value, staticmethod | classmethod):
        yield from _behind(value.__func__)
    elif isinstance(value, functools.cached_property):
        yield from _behind(value.func)
    elif isinstance(value, FunctionType):
        inner = getattr(value, "__wrapped__", value)
        yield from (value,) if inner is value else _behind(inner)
