# SPDX-License-Identifier: MIT
"""Planted bugs: deliberately wrong kernels, which a suite has to catch to be worth anything.

Each is one file of `amdgpu_hw.mock.bugs`, and its file's name is the bug's. The first line of its docstring says what
is wrong, its ``BUG`` what notices it, and functions behind `replaces` stand in for those of the mock kernel:

    \"\"\"The flag is accepted but ignored.\"\"\"

    BUG = Bug(caught_by=("B06",))

    @replaces(update_ctx.unmap_mode)
    def never_explicit(original: Original, ctx: AmdgpuVmUpdateCtx) -> SyncMode:
        return AMDGPU_SYNC_EQ_OWNER

A bug that is a declared difference of another kernel needs no function: ``Bug(variant={"skips_empty_clear": False})``.
What neither can say is a `Change`. A file somewhere else is a bug as well: its path is its name then.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.mock import bugs
from amdgpu_hw.mock.variants import DEFAULT_VARIANT, Variant

__all__ = (
    "Bug",
    "Change",
    "Original",
    "PlantedBug",
    "Replacement",
    "UnknownBug",
    "bug_names",
    "kernel_of",
    "load_bug",
    "plant",
    "replaces",
    "with_bugs",
)

Original: TypeAlias = Callable[..., Any]
"""The function that a replacement stands in for, as the replacement gets it."""

P = ParamSpec("P")
R = TypeVar("R")

_MODEL = ("amdgpu_hw.mock.", "amdgpu_hw.gpu_model.")
"""Where functions that bugs replace are imported to."""


class UnknownBug(HarnessError):
    """There is no planted bug of that name; the message names those that are near."""


@dataclass(frozen=True, slots=True)
class Bug:
    """What a file says about its bug.

    ``caught_by`` are the rows that name the behaviour it breaks; at least one of them has to be broken with it.
    ``kernel`` and ``gpu`` are where it is planted, ``parameters`` the module parameters of amdgpu that it takes.
    ``variant`` are fields of the kernel to change. ``equivalent`` says, for the few where it is so, why no program can
    tell this kernel from a right one: then no row may be broken.
    ``slow`` says that many tests wait with it, for gates that open by themselves or for what never comes: it does not
    need much of a CPU, and the matrix runs these beside the others.
    """

    caught_by: tuple[str, ...]
    kernel: str = DEFAULT_VARIANT
    gpu: str = "navi31"
    parameters: Mapping[str, int] = field(default_factory=dict)
    variant: Mapping[str, object] = field(default_factory=dict)
    equivalent: str = ""
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Replacement:
    """A function of the mock kernel, and what stands in for it; that gets the function as its first argument."""

    target: Callable[..., Any]
    function: Callable[..., Any]


class Change(ABC):
    """What a bug does to the mock kernel that no stand-in for a function can do."""

    @abstractmethod
    def plant(self) -> Callable[[], None]:
        """Do it in this process; returns what puts everything back. Raises `HarnessError`."""


@dataclass(frozen=True, slots=True)
class PlantedBug:
    """A bug with everything its file says."""

    name: str
    description: str
    """One line."""
    bug: Bug
    replacements: tuple[Replacement, ...]
    changes: tuple[Change, ...] = ()


def replaces(target: Callable[P, R]) -> Callable[[Callable[Concatenate[Callable[P, R], P], R]], Replacement]:
    """Say that the decorated function stands in for ``target``, a function or a method of the mock kernel.

    It gets the original as its first argument. ``target`` must be looked up at each call: a function that a table
    keeps, like those of the ioctls, cannot be replaced.
    """

    def mark(function: Callable[Concatenate[Callable[P, R], P], R]) -> Replacement:
        return Replacement(_sound.get(target, target), function)

    return mark


# Sound functions by what stands in for them: a bug's file may be read while another bug is planted.
_sound: dict[Callable[..., Any], Callable[..., Any]] = {}


# -- finding ------------------------------------------------------------------------------------------------------


def bug_names() -> list[str]:
    """All planted bugs."""
    return sorted(module.name for module in pkgutil.iter_modules(bugs.__path__))


def load_bug(name: str) -> PlantedBug:
    """Return the bug called ``name``, or that of the file if it is the path of one (``*.py``); raises `UnknownBug`."""
    if name.endswith(".py"):
        return _bug_of(name, _module_of_file(Path(name)))
    names = bug_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, 3, 0.4) or [other for other in names if name in other][:3]
        hint = f"did you mean {' or '.join(near)}?" if near else "'amdgpu-hw bugs' lists them"
        raise UnknownBug(f"there is no planted bug called '{name}': {hint}")
    return _bug_of(name, importlib.import_module(f"{bugs.__name__}.{name}"))


def _module_of_file(path: Path) -> ModuleType:
    """Read a bug's file that is not of this package; raises `UnknownBug`."""
    if not path.is_file():
        raise UnknownBug(f"there is no file {path} with a planted bug")
    module = ModuleType(f"{bugs.__name__}.from_file")
    module.__file__ = str(path)
    try:
        # No import: that would leave bytecode beside the file, and may find an older file's (same size, same second).
        exec(compile(path.read_bytes(), path, "exec", dont_inherit=True), vars(module))
    except Exception as error:
        raise UnknownBug(f"{path} is no planted bug: {type(error).__name__}: {error}") from None
    if not isinstance(getattr(module, "BUG", None), Bug):
        raise UnknownBug(f"{path} is no planted bug: it has no BUG")
    return module


def _bug_of(name: str, module: ModuleType) -> PlantedBug:
    description = (module.__doc__ or "").partition("\n")[0]
    values = list(vars(module).values())
    replacements = tuple(value for value in values if isinstance(value, Replacement))
    return PlantedBug(name, description, module.BUG, replacements, tuple(v for v in values if isinstance(v, Change)))


def kernel_of(names: Sequence[str]) -> str:
    """Return the kernel that these bugs are planted in; raises `HarnessError` when they want different ones."""
    kernels = {load_bug(name).bug.kernel for name in names}
    if len(kernels) > 1:
        raise HarnessError(f"these bugs are for different kernels ({', '.join(sorted(kernels))}): choose with --kernel")
    return kernels.pop() if kernels else DEFAULT_VARIANT


# -- planting -----------------------------------------------------------------------------------------------------


def with_bugs(variant: Variant, planted: Sequence[PlantedBug]) -> Variant:
    """Return the kernel variant with the fields these bugs change."""
    for bug in planted:
        variant = replace(variant, **bug.bug.variant)  # type: ignore[arg-type]  # the names are checked by replace()
    return variant


def plant(planted: Sequence[PlantedBug]) -> Callable[[], None]:
    """Replace the functions in this process, wherever they were imported to; returns what puts them back.

    Of two bugs that replace one function, the later one gets the earlier one's as its original. Changes come last.
    Raises `HarnessError`, and has changed nothing then.
    """
    current: dict[Callable[..., Any], Callable[..., Any]] = {}
    for bug in planted:
        for replacement in bug.replacements:
            target = replacement.target
            current[target] = _bound(replacement.function, current.get(target, target))
    undo: list[Callable[[], None]] = []

    def lift() -> None:
        for restore in reversed(undo):
            restore()

    try:
        for target, function in current.items():
            undo.append(_install(target, function))
        for change in (change for bug in planted for change in bug.changes):
            undo.append(change.plant())
    except HarnessError:
        lift()
        raise
    return lift


def _bound(function: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """As a plain function, which works as a method too."""

    @functools.wraps(original)
    def planted(*args: Any, **kwargs: Any) -> Any:
        return function(original, *args, **kwargs)

    return planted


def _install(target: Callable[..., Any], function: Callable[..., Any]) -> Callable[[], None]:
    places = _places(target)
    _sound[function] = target
    if not places:
        raise HarnessError(f"{target.__qualname__} cannot be replaced: no module of the mock kernel has it")
    for owner, name in places:
        setattr(owner, name, function)

    def restore() -> None:
        for owner, name in places:
            setattr(owner, name, target)
        _sound.pop(function, None)

    return restore


def _places(target: Callable[..., Any]) -> list[tuple[Any, str]]:
    """Where a function is found at call time: its class, or the modules that defined or imported it."""
    class_name, _, name = target.__qualname__.rpartition(".")
    if class_name:
        return [(getattr(sys.modules[target.__module__], class_name), name)]
    return [
        (module, name)
        for module_name, module in list(sys.modules.items())
        if module_name.startswith(_MODEL)
        for name, value in vars(module).items()
        if value is target
    ]
