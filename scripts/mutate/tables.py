# SPDX-License-Identifier: MIT
"""Files of tables that each give a reason: what is left out of a score has to say why."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amdgpu_hw.errors import HarnessError

__all__ = ("entries_with_reasons",)

_SHORTEST_REASON = 20


def entries_with_reasons(path: Path, table: str, members: set[str], what: str) -> Iterator[dict[str, Any]]:
    """Yield the ``[[table]]`` entries of a file, each with these ``members`` and a ``reason``, on one line.

    Raises `HarnessError` for what is no such file, for another table, for an entry with other members or none (``what``
    says in words which it has), and for a reason that says nothing.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise HarnessError(f"{path} cannot be read: {error}") from None
    entries = content.pop(table, [])
    if content or not isinstance(entries, list):
        raise HarnessError(f"{path} has something else than [[{table}]] tables: {', '.join(content)}")
    for entry in entries:
        reason = " ".join(str(entry.get("reason", "")).split())
        if set(entry) != members | {"reason"} or len(reason) < _SHORTEST_REASON or not all(entry.values()):
            raise HarnessError(f"{path}: {what} and a reason that says why, not {entry}")
        yield {**entry, "reason": reason}
