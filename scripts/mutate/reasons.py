# SPDX-License-Identifier: MIT
"""Mutants that no row may call broken, each with the reason why: `equivalent.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

from amdgpu_hw.errors import HarnessError

__all__ = ("EQUIVALENT", "read_reasons")

EQUIVALENT = Path(__file__).parent / "equivalent.toml"
_SHORTEST_REASON = 20


def read_reasons(path: Path, keys: Collection[str]) -> Mapping[str, str]:
    """Return the reason of each equivalent mutant by its key; ``keys`` are all there are.

    Raises `HarnessError` for what is no table of mutants and reasons, for a reason that says nothing, for a mutant that
    is there twice, and for one that is no more: its line has changed, and nobody knows whether the reason still holds.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise HarnessError(f"{path} cannot be read: {error}") from None
    entries = content.pop("equivalent", [])
    if content or not isinstance(entries, list):
        raise HarnessError(f"{path} has something else than [[equivalent]] tables: {', '.join(content)}")
    reasons: dict[str, str] = {}
    for entry in entries:
        mutant, reason = entry.get("mutant", ""), " ".join(str(entry.get("reason", "")).split())
        if set(entry) != {"mutant", "reason"} or len(reason) < _SHORTEST_REASON:
            raise HarnessError(f"{path}: an entry has a mutant and a reason that says why, not {entry}")
        if mutant in reasons:
            raise HarnessError(f"{path}: {mutant} is there twice")
        if mutant not in keys:
            raise HarnessError(f"{path}: there is no mutant {mutant} (any more)")
        reasons[mutant] = reason
    return reasons
