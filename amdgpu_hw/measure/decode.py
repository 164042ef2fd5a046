# SPDX-License-Identifier: MIT
"""Values of declared types from JSON, so that a wrong file is found while it is read and not while it is used."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

__all__ = ("DecodeError", "decode")


class DecodeError(ValueError):
    """A value is not of the declared type; the message names the place (``conditions.gc_version``)."""


def decode(declared: Any, value: Any, where: str) -> Any:
    """`value` as the type `declared`: a scalar, tuple, mapping, union, literal or dataclass of these.

    Arrays do not come from JSON: the caller puts them in and they pass as they are. A field unknown to the class
    is ignored (a newer writer of the same version may add some); one that is missing and has no default is an error.
    """
    if is_dataclass(declared):
        return _dataclass(declared, value, where)
    origin, arguments = get_origin(declared), get_args(declared)
    if origin in (types.UnionType, Union):
        return _union(arguments, value, where)
    if origin is np.ndarray and isinstance(value, np.ndarray):
        return value
    if origin is tuple:
        return _tuple(arguments, value, where)
    if origin is Mapping:
        if not isinstance(value, dict):
            raise DecodeError(f"{where} is not an object")
        return {name: decode(arguments[1], item, f"{where}.{name}") for name, item in value.items()}
    if origin is Literal:
        if value not in arguments:
            raise DecodeError(f"{where} is {value!r}, not one of {', '.join(map(str, arguments))}")
        return value
    return _scalar(declared, value, where)


@cache
def _hints(declared: Any) -> dict[str, Any]:
    """The types of a class's fields: the same for thousands of rounds, and slow to find out."""
    return get_type_hints(declared)


def _dataclass(declared: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise DecodeError(f"{where} is not an object")
    hints = _hints(declared)
    given = {}
    for field in fields(declared):
        if field.name in value:
            given[field.name] = decode(hints[field.name], value[field.name], f"{where}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise DecodeError(f"{where}.{field.name} is missing")
    try:
        return declared(**given)
    except ValueError as error:
        raise DecodeError(f"{where}: {error}") from error


def _union(arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    for argument in arguments:
        try:
            return decode(argument, value, where)
        except DecodeError:
            continue
    names = " or ".join(getattr(argument, "__name__", str(argument)) for argument in arguments)
    raise DecodeError(f"{where} is {value!r}, not {names}")


def _tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise DecodeError(f"{where} is not a list")
    if arguments[-1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if len(value) != len(arguments):
        raise DecodeError(f"{where} has {len(value)} elements instead of {len(arguments)}")
    return tuple(decode(arguments[i], item, f"{where}[{i}]") for i, item in enumerate(value))


def _scalar(declared: Any, value: Any, where: str) -> Any:
    # JSON writes 1.0 as 1 in other hands, and bool is an int in Python: neither may slip through as the other.
    if declared is float and type(value) is int:
        return float(value)
    if type(value) is not declared:
        raise DecodeError(f"{where} is {value!r}, not {getattr(declared, '__name__', declared)}")
    return value
