# SPDX-License-Identifier: MIT
"""Mutants that no row may call broken, each with the reason why: `equivalent.toml`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from mutate.tables import entries_with_reasons

__all__ = ("EQUIVALENT", "read_reasons")

EQUIVALENT = Path(__file__).parent / "equivalent.toml"


def read_reasons(path: Path, keys: Collection[str]) -> Mapping[str, str]:
    """Return the reason of each equivalent mutant by its key; ``keys`` are all there are.

    Raises `HarnessError` as `entries_with_reasons` does, for a mutant that is there twice, and for one that is no more:
    its line has changed, and nobody knows whether the reason still holds.
    """
    reasons: dict[str, str] = {}
    for entry in entries_with_reasons(path, "equivalent", {"mutant"}, "an entry has a mutant"):
        mutant = entry["mutant"]
        if mutant in reasons:
            raise HarnessError(f"{path}: {mutant} is there twice")
        if mutant not in keys:
            raise HarnessError(f"{path}: there is no mutant {mutant} (any more)")
        reasons[mutant] = entry["reason"]
    return reasons
