# SPDX-License-Identifier: MIT
"""Options as fields of dataclasses: how argparse is told of them, read, and how they are handed on as arguments.

@dataclass(frozen=True)
class Speed(Options):
    fast: bool = option("hurry", default=False)
    laps: int | None = option("how many", metavar="N", read=int)

``Speed.declare(parser.add_argument)`` declares ``--fast`` and ``--laps``, ``Speed.declare(group.addoption, "--car-")``
the same for pytest as ``--car-fast`` and ``--car-laps``; ``Speed.of(namespace)`` reads them, ``argv()`` spells them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from amdgpu_hw.errors import HarnessError

__all__ = ("Option", "Options", "comma_separated", "option")

_KEY = "amdgpu_hw option"


@dataclass(frozen=True, slots=True)
class Option:
    """How one field is given; `option` makes it."""

    help: str
    name: str
    """Without hyphens in front; empty: the field's."""
    metavar: str | None
    read: Callable[[str], Any]
    """From what was given; of an option that may be repeated, a tuple."""
    write: Callable[[Any], str]
    bare: Any
    """What the option without a value stands for; None: it must have one."""
    known: Callable[[], Iterable[str]] | None
    """The values there are, for commands that may take the time to find out."""
    environment: str
    """Variable of the environment that gives a flag, too, unless it is empty or 0."""
    only_on: str
    """The kind of machine that alone has what it asks for; empty if all have."""


def option(
    help_text: str,
    *,
    default: Any = None,
    name: str = "",
    metavar: str | None = None,
    read: Callable[[str], Any] = str,
    write: Callable[[Any], str] = str,
    bare: Any = None,
    known: Callable[[], Iterable[str]] | None = None,
    environment: str = "",
    only_on: str = "",
) -> Any:
    """A field of `Options`. ``default``: False makes it a flag, a tuple an option that may be repeated."""
    how = Option(help_text, name, metavar, read, write, bare, known, environment, only_on)
    return field(default=default, metadata={_KEY: how})


def comma_separated(read: Callable[[str], Any] = str) -> Callable[[str], tuple[Any, ...]]:
    """Reads the members of a list with commas; of nothing, the empty list."""

    def members(text: str) -> tuple[Any, ...]:
        return tuple(read(word) for word in text.split(",") if word)

    return members


def _filled(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Refuses the empty word that a script's unset variable leaves, instead of going by the default."""

    def checked(text: str) -> Any:
        if not text.strip():
            raise argparse.ArgumentTypeError(f"must not be empty, but '{text}' was given")
        return read(text)

    return checked


class _Extend(argparse.Action):
    """Adds to what was given before; an empty list takes it back, as after the addopts of an ini file."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        setattr(namespace, self.dest, (*getattr(namespace, self.dest), *values) if values else ())


@dataclass(frozen=True)
class Options:
    """Base of dataclasses whose fields are made by `option`."""

    @classmethod
    def declare(
        cls,
        add: Callable[..., object],
        prefix: str = "--",
        *,
        only: Collection[str] | None = None,
        without: Collection[str] = (),
        notes: Mapping[str, str] | None = None,
        details: bool = True,
        filled: bool = False,
    ) -> None:
        """Declare the options with ``add``: `add_argument`, or pytest's `addoption`.

        ``only`` some of them, or all ``without`` some. ``notes`` end the help of what only one kind of machine has.
        ``details``: name the known values, which may mean to import much. ``filled``: refuse empty values, which
        otherwise take back what was given before.
        """
        for name, how, default in _declared(cls):
            if name not in without and (only is None or name in only):
                note = (notes or {}).get(how.only_on, "")
                arguments = _arguments(how, default, details=details, note=note)
                if filled and "type" in arguments:
                    arguments["type"] = _filled(arguments["type"])
                add(_spelled(prefix, name, how), **arguments)

    @classmethod
    def of(cls, namespace: argparse.Namespace, prefix: str = "--") -> Self:
        """What was given; options that were not declared have their defaults."""
        values = {}
        for name, how, default in _declared(cls):
            value = getattr(namespace, _destination(prefix, name, how), default)
            if default is False and how.environment:
                value = value or os.environ.get(how.environment, "0") not in ("", "0")
            if isinstance(value, list):  # what argparse makes of --option=--
                raise HarnessError(f"{_spelled(prefix, name, how)} needs a value, and '--' is none")
            values[name] = None if value == "" else value
        return cls(**values)

    def argv(self, prefix: str = "--") -> list[str]:
        """The arguments that give the same again, and nothing that is as it is by itself."""
        return [word for name in self.given() for word in self._words(prefix, name)]

    def given(self) -> list[str]:
        """The fields that are not as they are by themselves."""
        return [name for name, _, default in _declared(type(self)) if getattr(self, name) != default]

    @classmethod
    def spelled(cls, name: str, prefix: str = "--") -> str:
        """The option that gives a field."""
        return next(_spelled(prefix, each, how) for each, how, _ in _declared(cls) if each == name)

    @classmethod
    def bare(cls, name: str) -> Any:
        """What the option that gives a field stands for without a value."""
        return next(how.bare for each, how, _ in _declared(cls) if each == name)

    @classmethod
    def only_on(cls, machine: str) -> list[str]:
        """The fields that ask for what only one kind of machine has."""
        return [name for name, how, _ in _declared(cls) if how.only_on == machine]

    def _words(self, prefix: str, name: str) -> Iterator[str]:
        how = next(how for each, how, _ in _declared(type(self)) if each == name)
        spelled, value = _spelled(prefix, name, how), getattr(self, name)
        if value is True:
            yield spelled
        else:
            each: Sequence[Any] = value if isinstance(value, tuple) else (value,)
            yield from (f"{spelled}={how.write(one)}" for one in each)


def _declared(cls: type[Options]) -> Iterator[tuple[str, Option, Any]]:
    """Name, option and default of each field."""
    return ((each.name, each.metadata[_KEY], each.default) for each in fields(cls))


def _spelled(prefix: str, name: str, how: Option) -> str:
    return prefix + (how.name or name.replace("_", "-"))


def _destination(prefix: str, name: str, how: Option) -> str:
    """Where argparse, and pytest as well, puts the value of an option."""
    return _spelled(prefix, name, how).lstrip("-").replace("-", "_")


def _arguments(how: Option, default: Any, *, details: bool, note: str) -> dict[str, Any]:
    """What `add_argument` is to be given."""
    known = tuple(how.known()) if how.known is not None and details else ()
    arguments: dict[str, Any] = {
        "default": default,
        "help": how.help + (f": {', '.join(known)}" if known else "") + note,
    }
    if default is False:
        return arguments | {"action": "store_true"}
    arguments |= {"metavar": how.metavar, "type": how.read}
    if isinstance(default, tuple):
        arguments["action"] = _Extend
    if how.bare is not None:
        arguments |= {"nargs": "?", "const": how.bare}
    return arguments
