# SPDX-License-Identifier: MIT
"""Values of declared types from what TOML or JSON made of a text, so that a wrong one is found where it is read.

A file's form is declared as dataclasses and `decode` makes them; every error is one sentence that names the place
(``conditions.gc_version``, ``firmware.me[1]``). What tells one kind of file from another is its `Dialect`.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

__all__ = ("JSON", "TOML", "DecodeError", "Dialect", "Within", "decode")


class DecodeError(ValueError):
    """A value is not of the declared type; the message is one sentence in the words of its dialect."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a kind of text is read, and its words for what is wrong: formats of ``where``, ``wanted`` and ``value``.

    ``length`` (with ``count``) is for a fixed array of another length. ``unknown`` is for a key that no field has;
    None: such keys are ignored.
    """

    table: str
    missing: str
    wrong: str
    length: str
    unknown: str | None


TOML = Dialect(
    table="a table",
    missing="the key '{where}' is missing",
    wrong="the key '{where}' must be {wanted}, not {value!r}",
    length="the key '{where}' must be an array of {wanted}, not {value!r}",
    unknown="there is no key '{where}'; there are: {wanted}",
)
"""Written by a person: a key that nobody reads is a typing error."""

JSON = Dialect(
    table="an object",
    missing="{where} is missing",
    wrong="{where} is {value!r}, not {wanted}",
    length="{where} has {count} elements instead of {wanted}",
    unknown=None,
)
"""Written by a program, perhaps a newer one of the same format: what it adds is not for us."""


@dataclass(frozen=True, slots=True)
class Within:
    """Which whole numbers are meant: ``Annotated[int, Within(range(1, 17), "a number from 1 to 16")]``."""

    range: range
    words: str


_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a string",
    bool: "true or false",
    types.NoneType: "null",
}


def decode(
    declared: Any, value: Any, where: str = "", dialect: Dialect = JSON, given: Mapping[str, Any] | None = None
) -> Any:
    """`value` as the type `declared`; raises `DecodeError`.

    That is a scalar, an enum (by its values), a dataclass, or a tuple, sequence, mapping, union or literal of these;
    `Any` is taken as it is.
    A field that is missing and has no default is an error. `where` is the place of the value in its file; ``given``
    are fields of the outermost dataclass that do not come from the file and are taken as they are.
    """
    return _Decoder(dialect).decode(declared, value, where, given or {})


@cache
def _hints(declared: Any) -> dict[str, Any]:
    """The types of a class's fields: the same for thousands of records, and slow to find out."""
    return get_type_hints(declared, include_extras=True)


def _words(declared: Any, dialect: Dialect) -> str:
    """What a type is called in an error."""
    origin, arguments = get_origin(declared), get_args(declared)
    if origin is Annotated:
        return next((each.words for each in arguments[1:] if isinstance(each, Within)), _words(arguments[0], dialect))
    if origin in (types.UnionType, Union):
        return " or ".join(_words(each, dialect) for each in arguments)
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin in (tuple, list, Sequence):
        return "an array"
    if isinstance(declared, type) and issubclass(declared, Enum):
        return f"one of {', '.join(str(each.value) for each in declared)}"
    return _WORDS.get(declared, dialect.table)


class _Decoder:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def decode(self, declared: Any, value: Any, where: str, given: Mapping[str, Any]) -> Any:
        if declared is Any:
            return value
        if is_dataclass(declared):
            return self._dataclass(declared, value, where, given)
        origin, arguments = get_origin(declared), get_args(declared)
        if origin is Annotated:
            return self._annotated(declared, arguments, value, where)
        if origin in (types.UnionType, Union):
            return self._union(declared, arguments, value, where)
        if origin in (tuple, list, Sequence):
            return self._array(declared, origin, arguments, value, where)
        if origin in (dict, Mapping, types.MappingProxyType):
            self._require(isinstance(value, dict), declared, value, where)
            table = {key: self.decode(arguments[1], item, _inside(where, key), {}) for key, item in value.items()}
            return types.MappingProxyType(table) if origin is types.MappingProxyType else table
        if origin is Literal:
            self._require(
                any(value == each and type(value) is type(each) for each in arguments), declared, value, where
            )
            return value
        if issubclass(declared, Enum):
            return self._enum(declared, value, where)
        return self._scalar(declared, value, where)

    def _require(self, good: bool, declared: Any, value: Any, where: str) -> None:
        if not good:
            raise self._wrong(declared, value, where)

    def _wrong(self, declared: Any, value: Any, where: str) -> DecodeError:
        wanted = _words(declared, self._dialect)
        return DecodeError(self._dialect.wrong.format(where=where, wanted=wanted, value=value))

    def _annotated(self, declared: Any, arguments: tuple[Any, ...], value: Any, where: str) -> Any:
        try:
            good = self.decode(arguments[0], value, where, {})
        except DecodeError:
            raise self._wrong(declared, value, where) from None
        for each in arguments[1:]:
            self._require(not isinstance(each, Within) or good in each.range, declared, value, where)
        return good

    def _dataclass(self, declared: Any, value: Any, where: str, given: Mapping[str, Any]) -> Any:
        self._require(isinstance(value, dict), declared, value, where)
        hints, known = _hints(declared), fields(declared)
        if self._dialect.unknown is not None:
            names = [field.name for field in known if field.name not in given]
            for key in value:
                if key not in names:
                    wanted = ", ".join(names)
                    raise DecodeError(self._dialect.unknown.format(where=_inside(where, key), wanted=wanted))
        arguments = dict(given)
        for field in known:
            if field.name in given:
                continue
            if field.name in value:
                arguments[field.name] = self.decode(
                    hints[field.name], value[field.name], _inside(where, field.name), {}
                )
            elif field.default is MISSING and field.default_factory is MISSING:
                raise DecodeError(self._dialect.missing.format(where=_inside(where, field.name)))
        try:
            return declared(**arguments)
        except ValueError as error:
            raise DecodeError(f"{where}: {error}" if where else str(error)) from error

    def _union(self, declared: Any, arguments: tuple[Any, ...], value: Any, where: str) -> Any:
        others = [each for each in arguments if each is not types.NoneType]
        if value is None and len(others) < len(arguments):
            return None
        if len(others) == 1 and value is not None:
            # Not "X or null" but what is wrong inside of X.
            return self.decode(others[0], value, where, {})
        for each in others:
            try:
                return self.decode(each, value, where, {})
            except DecodeError:
                continue
        raise self._wrong(declared, value, where)

    def _array(self, declared: Any, origin: Any, arguments: tuple[Any, ...], value: Any, where: str) -> Any:
        self._require(isinstance(value, list), declared, value, where)
        kinds = arguments
        if origin is not tuple or arguments[-1] is Ellipsis:
            kinds = (arguments[0],) * len(value)
        if len(value) != len(kinds):
            count, wanted = len(value), len(kinds)
            raise DecodeError(self._dialect.length.format(where=where, count=count, wanted=wanted, value=value))
        items = [self.decode(kinds[i], item, f"{where}[{i}]", {}) for i, item in enumerate(value)]
        return items if origin is list else tuple(items)

    def _enum(self, declared: type[Enum], value: Any, where: str) -> Enum:
        found = next((each for each in declared if each.value == value and type(each.value) is type(value)), None)
        if found is None:
            raise self._wrong(declared, value, where)
        return found

    def _scalar(self, declared: Any, value: Any, where: str) -> Any:
        # JSON writes 1.0 as 1 in other hands, and bool is an int in Python: neither may slip through as the other.
        if declared is float and type(value) is int:
            return float(value)
        self._require(type(value) is declared, declared, value, where)
        return value


def _inside(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
