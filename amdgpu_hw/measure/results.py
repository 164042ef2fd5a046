# SPDX-License-Identifier: MIT
"""Results of measurements and the two files that keep one.

``NAME.json`` holds everything that people read, ``NAME.<hash>.npz`` beside it the raw samples; the first names the
second with its sha256. The samples are written under a new name before the JSON file is replaced, so that at every
moment, crash or Ctrl-C included, NAME.json is there with the samples that belong to it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from amdgpu_hw.atomic_file import replace_file
from amdgpu_hw.decode import DecodeError, decode
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.measure.mismatch import Mismatch, comparable
from amdgpu_hw.measure.model import (
    NOT_SEEN,
    REPEATED,
    Arm,
    Cell,
    Conditions,
    Frames,
    LatencyResult,
    OverlapResult,
    Result,
    Round,
    Samples,
)

__all__ = (
    "NOT_SEEN",
    "REPEATED",
    "SCHEMA",
    "VERSION",
    "Arm",
    "Cell",
    "Conditions",
    "Frames",
    "LatencyResult",
    "Mismatch",
    "OverlapResult",
    "Result",
    "ResultError",
    "Round",
    "Samples",
    "comparable",
    "load",
    "save",
)

SCHEMA = "amdgpu-hw-measurement"
VERSION = 1
"""Goes up when a reader of an older version would misunderstand the file."""

_CLASSES: dict[str, type[Result]] = {each.KIND: each for each in (LatencyResult, OverlapResult)}


class _Group(NamedTuple):
    """The attribute of a result that holds its samples: in the JSON a list of counts, in the npz one array per name."""

    attribute: str
    item: type[Round] | type[Frames]


_GROUPS = {LatencyResult: _Group("rounds", Round), OverlapResult: _Group("series", Frames)}


class ResultError(HarnessError):
    """A result file cannot be read or written; the message is the sentence for the user."""


def save(result: Result, path: Path) -> None:
    """Write a result as `path` (``*.json``) and its samples beside it, replacing what was there.

    Call it as often as there is something new to lose: each call leaves a valid result. It writes every sample again
    (24 bytes each), so a long run should not call it more than about once per second.

    Raises:
        ResultError: The files could not be written; what was there before still is.

    """
    group = _GROUPS[type(result)]
    items: Sequence[Round | Frames] = getattr(result, group.attribute)
    arrays: dict[str, Any] = {name: _joined([getattr(item, name) for item in items]) for name in group.item.METRICS}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    target = path.resolve()
    samples = target.with_name(f"{target.stem}.{digest[:12]}.npz")
    described = {
        "schema": SCHEMA,
        "version": VERSION,
        "kind": result.KIND,
        "samples": {"file": samples.name, "sha256": digest},
        "complete": result.complete,
        "notes": result.notes,
        "conditions": asdict(result.conditions),
        group.attribute: [_without_samples(item) for item in items],
    }
    if isinstance(result, LatencyResult):
        described["cells"] = [asdict(cell) for cell in result.cells]
    try:
        replace_file(samples, content)
        replace_file(target, (json.dumps(described, indent=1) + "\n").encode())
        _remove_older_samples(target, keep=samples)
    except OSError as error:
        raise ResultError(f"The result {path} could not be written: {error.strerror}.") from error


def _joined(arrays: Sequence[Samples]) -> Samples:
    return np.concatenate([np.empty(0, np.int64), *arrays]).astype(np.int64, casting="same_kind")


def _without_samples(item: Round | Frames) -> dict[str, Any]:
    described: dict[str, Any] = {"counts": {name: len(getattr(item, name)) for name in item.METRICS}}
    for field in fields(item):
        if field.name not in item.METRICS:
            value = getattr(item, field.name)
            described[field.name] = asdict(value) if isinstance(value, Cell) else value
    return described


def _remove_older_samples(target: Path, keep: Path) -> None:
    ours = re.compile(re.escape(target.stem) + r"\.[0-9a-f]{12}\.npz")
    for path in target.parent.iterdir():
        if ours.fullmatch(path.name) and path != keep:
            path.unlink(missing_ok=True)


def load(path: Path) -> Result:
    """Read a result.

    Raises:
        ResultError: There is none, it is of another kind or version, damaged, or holds no samples.

    """
    described = _read_json(path)
    result_class = _class_of(described, path)
    group = _GROUPS[result_class]
    try:
        if not isinstance(described.get("samples"), dict):
            raise DecodeError("samples is not an object")
        samples = decode(Mapping[str, str], described["samples"], "samples")
        if described.get(group.attribute) == []:
            raise ResultError(f"{path} holds no samples: the run ended before its first round; measure again.")
        arrays = _read_samples(path, samples.get("file", ""), samples.get("sha256", ""), group.item.METRICS)
        items = _items(group, described.get(group.attribute), arrays)
        result = decode(result_class, described, f"the {result_class.KIND} result", given={group.attribute: ()})
    except DecodeError as error:
        raise ResultError(f"{path} is damaged: {error}; take another copy, or measure again.") from error
    if not any(len(array) for array in arrays.values()):
        raise ResultError(f"{path} holds no samples: none of its rounds was finished; measure again.")
    whole: Result = replace(result, **{group.attribute: items})
    return whole


def _read_json(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror}.") from error
    if not text.strip():
        raise ResultError(f"{path} is empty; take another copy, or measure again.")
    if text.startswith(b"PK"):
        raise ResultError(f"{path} holds the samples of a result; name the .json file beside it instead.")
    try:
        described = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResultError(
            f"{path} is not JSON or was cut off ({error}); take another copy, or measure again."
        ) from error
    if not isinstance(described, dict) or described.get("schema") != SCHEMA:
        raise ResultError(
            f"{path} is not the result of a measurement; name a file written by amdgpu-hw latency or overlap."
        )
    return described


def _class_of(described: Mapping[str, Any], path: Path) -> type[Result]:
    version = described.get("version")
    if version != VERSION:
        raise ResultError(
            f"{path} has version {version!r} of the result format, this program reads version {VERSION}; "
            "use the program that wrote it, or measure again."
        )
    kind = described.get("kind")
    if not isinstance(kind, str) or kind not in _CLASSES:
        raise ResultError(f"{path} holds a measurement of kind {kind!r}; known are {', '.join(_CLASSES)}.")
    return _CLASSES[kind]


def _read_samples(path: Path, name: str, digest: str, metrics: Sequence[str]) -> dict[str, Samples]:
    if not name or name != Path(name).name:
        raise DecodeError(f"samples.file is {name!r}, not the name of a file beside it")
    beside = path.resolve().with_name(name)
    try:
        content = beside.read_bytes()
    except OSError as error:
        raise ResultError(
            f"The samples of {path} cannot be read: {beside}: {error.strerror}; keep the two files together."
        ) from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise ResultError(f"The samples of {path}, {beside}, are not those it was written with; take another copy.")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {metric: np.asarray(archive[metric]) for metric in metrics}
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise DecodeError(f"{name} does not hold the arrays {', '.join(metrics)} ({error})") from error
    for metric, array in arrays.items():
        if array.dtype != np.int64 or array.ndim != 1:
            raise DecodeError(f"{metric} in {name} is not a row of int64")
    return arrays


def _items(group: _Group, described: Any, arrays: Mapping[str, Samples]) -> tuple[Any, ...]:
    if not isinstance(described, list):
        raise DecodeError(f"{group.attribute} is not a list")
    items: list[Any] = []
    begin = dict.fromkeys(arrays, 0)
    for number, item in enumerate(described):
        where = f"{group.attribute}[{number}]"
        if not isinstance(item, dict):
            raise DecodeError(f"{where} is not an object")
        counts = decode(Mapping[str, int], item.get("counts"), f"{where}.counts")
        given = {}
        for name, array in arrays.items():
            count = counts.get(name, -1)
            if not 0 <= count <= len(array) - begin[name]:
                raise DecodeError(f"{where}.counts.{name} is {count}, and {len(array) - begin[name]} are left")
            given[name] = array[begin[name] : begin[name] + count]
            begin[name] += count
        items.append(decode(group.item, item, where, given=given))
    for name, array in arrays.items():
        if begin[name] != len(array):
            raise DecodeError(f"{len(array) - begin[name]} of {name} belong to nothing in {group.attribute}")
    return tuple(items)
