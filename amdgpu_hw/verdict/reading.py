# SPDX-License-Identifier: MIT
"""Results from the file that keeps them, for everything that is made of them later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from amdgpu_hw.decode import DecodeError, decode
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.verdict.machine import MachineDescription
from amdgpu_hw.verdict.model import Case
from amdgpu_hw.verdict.results import FORMAT, FORMAT_VERSION, Results

__all__ = ("read_results",)


@dataclass(frozen=True, slots=True)
class _Gpu:
    """What reports say of a GPU; the file has more."""

    name: str
    node: str
    pci_address: str
    gc_version: tuple[int, ...]
    sdma_version: tuple[int, ...]
    driver_version: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Probe:
    supported: bool
    errno: int
    why: str


@dataclass(frozen=True, slots=True)
class _Head:
    """A result file without its cases."""

    machine: MachineDescription
    command: list[str]
    versions: Mapping[str, str]
    started: str
    gpu: Mapping[str, Any] = field(default_factory=dict)
    probes: Mapping[str, _Probe] = field(default_factory=dict)
    gates: Mapping[str, str | None] = field(default_factory=dict)
    gate: str | None = None
    finished: str | None = None
    interrupted: str | None = None
    expectations: list[str] | None = None
    expectation_faults: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    other_gpus: list[str] = field(default_factory=list)


def read_results(path: Path) -> Results:
    """The results in a file of `amdgpu-hw validate`.

    Raises `HarnessError`: it cannot be read, is something else, or is damaged; with the place where.
    """
    content = _content(path)
    try:
        return _results(content)
    except DecodeError as error:
        raise HarnessError(f"{path} is damaged: {error}") from None


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise HarnessError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise HarnessError(f"{path} is not a result file of 'amdgpu-hw validate'")
    if content.get("version") != FORMAT_VERSION:
        raise HarnessError(
            f"{path} is a result file of version {content.get('version')!r}, and this amdgpu-hw reads version "
            f"{FORMAT_VERSION}: use the one that wrote it"
        )
    return content


def _results(content: dict[str, Any]) -> Results:
    head: _Head = decode(_Head, content)
    if content.get("gpu"):
        decode(_Gpu, content["gpu"], "gpu")
    cases: list[Case] = decode(list[Case], content.get("cases"), "cases")
    if not cases:
        raise DecodeError("it has the results of no test")
    return Results(
        head.machine,
        head.command,
        head.versions,
        gpu=content.get("gpu", {}),
        probes=content.get("probes", {}),
        gates=head.gates,
        gate=head.gate,
        cases=cases,
        started=_moment(head.started, "started"),
        finished=_moment(head.finished, "finished") if head.finished is not None else None,
        interrupted=head.interrupted,
        expectations=head.expectations,
        expectation_faults=head.expectation_faults,
        options=head.options,
        other_gpus=head.other_gpus,
    )


def _moment(text: str, where: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise DecodeError(f"{where} is '{text}', not a time") from None
