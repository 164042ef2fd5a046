# SPDX-License-Identifier: MIT
"""Results from the file that keeps them, as far as reports can rely on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.decode import DecodeError, decode
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.verdict.fingerprint_words import Fingerprint
from amdgpu_hw.verdict.results import Results, read_results
from amdgpu_hw.verdict.trouble import troubles

__all__ = ("read_for_report",)


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


def read_for_report(path: Path) -> Results:
    """The results in a file of `amdgpu-hw validate`, with a test at least, and with what reports say of the GPU.

    Raises `HarnessError`: it cannot be read, is something else, or is damaged; with the place where.
    """
    results = read_results(path)
    try:
        if results.gpu:
            decode(_Gpu, results.gpu, "gpu")
        decode(Mapping[str, _Probe], results.probes, "probes")
        decode(Fingerprint, results.fingerprint, "fingerprint")
        troubles(results.incidents, "incidents")
        for number, case in enumerate(results.cases):
            troubles(case.incidents, f"cases[{number}].incidents")
    except DecodeError as error:
        raise HarnessError(f"{path} is damaged: {error}") from None
    if not results.cases:
        raise HarnessError(f"{path} is damaged: it has the results of no test")
    return results
