# SPDX-License-Identifier: MIT
"""What is kept of a hang or a reset, in a directory beside the results; never more than `TOTAL_LIMIT` in all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amdgpu_hw.evidence.clients import GpuClient
from amdgpu_hw.evidence.debugfs import ring_state
from amdgpu_hw.evidence.devcoredump import Devcoredump
from amdgpu_hw.evidence.kernel_log import LogRecord
from amdgpu_hw.memory import KiB, MiB

__all__ = ("TOTAL_LIMIT", "EvidenceKeeper", "Kept")

TOTAL_LIMIT = 128 * MiB
"""Bytes of all that one run keeps."""

_TEXT_LIMIT = 1 * MiB
_RING_LIMIT = 256 * KiB
_DUMP_LIMIT = 32 * MiB
_WORD = 4  # amdgpu_debugfs_ring_read answers EINVAL to other sizes


@dataclass(slots=True)
class Kept:
    """What was kept of one incident: the directory (empty if none could be made), its files, and what is missing."""

    directory: str = ""
    files: dict[str, int] = field(default_factory=dict)
    """Bytes of each."""
    missing: dict[str, str] = field(default_factory=dict)
    """Why something is not there, or not whole, by name."""

    def to_json(self) -> dict[str, Any]:
        """The form it has in a result file."""
        return {"directory": self.directory, "files": dict(self.files), "missing": dict(self.missing)}


class EvidenceKeeper:
    """Keeps evidence below ``directory``, which is made when there is the first; None: there is no place for any."""

    def __init__(self, directory: Path | None, limit: int = TOTAL_LIMIT) -> None:
        self._directory = directory
        self._left = limit

    def keep(
        self,
        name: str,
        *,
        pci_address: str,
        primary_node: str | None,
        log: Iterable[LogRecord],
        why_no_log: str,
        clients: Iterable[GpuClient],
        dump: Devcoredump | None,
        trace: str,
        why_no_trace: str,
    ) -> Kept:
        """Write down what is known of an incident called ``name``; never raises for what the disk does."""
        kept = Kept()
        if self._directory is None:
            kept.missing["all"] = "the run writes no result file, beside which it could be kept"
            return kept
        place = self._place(name)
        try:
            place.mkdir(parents=True)
        except OSError as error:
            kept.missing["all"] = f"{place}: {error.strerror}"
            return kept
        kept.directory = str(place)
        records = "".join(f"{record}\n" for record in log)
        # Of what grows the end tells more than the beginning.
        self._write(kept, place, "kernel.log", records.encode(), why_no_log, _TEXT_LIMIT, keep_end=True)
        self._write(kept, place, "scheduler.trace", trace.encode(), why_no_trace, _TEXT_LIMIT, keep_end=True)
        told = "".join(f"process {client.pid} ({client.name}), {client.node}\n{client.fdinfo}\n" for client in clients)
        self._write(kept, place, "clients.txt", told.encode(), "nobody has the GPU open", _TEXT_LIMIT)
        self._write_dump(kept, place, dump)
        for file in ring_state(pci_address, primary_node, _RING_LIMIT + _WORD):
            self._write(kept, place, file.name, file.content, file.why_not, _RING_LIMIT)
        return kept

    def _place(self, name: str) -> Path:
        """A directory that is not there yet: evidence of an earlier run is not overwritten."""
        if self._directory is None:
            raise ValueError("no directory")
        plain = re.sub(r"[^\w.-]+", "-", name).strip("-") or "run"
        number, place = 1, self._directory / plain
        while place.exists():
            number += 1
            place = self._directory / f"{plain}-{number}"
        return place

    def _write_dump(self, kept: Kept, place: Path, dump: Devcoredump | None) -> None:
        try:
            data, why_cut = dump.read(_DUMP_LIMIT + 1) if dump is not None else (b"", "")
        except OSError as error:
            kept.missing["devcoredump"] = f"{dump.data if dump else ''}: {error.strerror} (it is for root)"
            return
        self._write(kept, place, "devcoredump", data, "the kernel made none", _DUMP_LIMIT)
        if why_cut:
            kept.missing.setdefault("devcoredump", why_cut)

    def _write(
        self, kept: Kept, place: Path, name: str, data: bytes, why_not: str, limit: int, *, keep_end: bool = False
    ) -> None:
        if not data:
            kept.missing[name] = why_not or "it was empty"
            return
        room = min(limit, self._left)
        if len(data) > room:
            kept.missing[name] = f"cut to {room} bytes"
            data = data[len(data) - room :] if keep_end else data[:room]
        try:
            (place / name).write_bytes(data)
        except OSError as error:
            kept.missing[name] = str(error.strerror)
            return
        self._left -= len(data)
        kept.files[name] = len(data)
