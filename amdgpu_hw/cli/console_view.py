# SPDX-License-Identifier: MIT
"""What the console prints: tables of the states in `amdgpu_hw.mock.console.types`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console as Terminal
from rich.table import Table

from amdgpu_hw.mock.console.types import (
    BoState,
    ClientState,
    ContextState,
    FileState,
    JobState,
    MachineState,
    MappingState,
    RingState,
)

__all__ = (
    "print_audit",
    "print_bos",
    "print_clients",
    "print_contexts",
    "print_files",
    "print_jobs",
    "print_mappings",
    "print_rings",
    "print_status",
)

_WIDE = 160
"""Columns when the output is no terminal."""


def _print(table: Table, empty: str) -> None:
    if not table.row_count:
        print(empty)
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDE
    Terminal(width=width, highlight=False).print(table)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading)
    return table


def _rows(headings: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    table = _table(*headings)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    _print(table, empty)


def _size(size: int) -> str:
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift:
            number = size / (1 << shift)
            return f"{number:.0f} {unit}" if number.is_integer() else f"{number:.1f} {unit}"
    return f"{size} B"


def _address(address: int) -> str:
    return f"{address:#_x}"


def print_status(status: MachineState) -> None:
    """Print the machine as a whole."""
    planted = f" with planted bug {', '.join(status.bugs)}" if status.bugs else ""
    print(f"kernel {status.kernel}{planted}, oopses {status.oopses}, modelled GPU time x {status.gpu_time:g}")
    for gpu in status.gpus:
        condition = "unplugged" if gpu.unplugged else "in reset" if gpu.in_reset else "running"
        print(
            f"GPU {gpu.index}: {gpu.name} at {gpu.pci_address}, {condition}; resets {gpu.resets}, "
            f"VRAM lost {gpu.vram_losses} times; VRAM {_size(gpu.vram_used)}, GTT {_size(gpu.gtt_used)} in use"
        )
    for name, when in status.faults.items():
        print(f"injected, still to come: {name}: {when}")


def print_clients(clients: Iterable[ClientState]) -> None:
    """Print the processes."""
    rows = ((c.pid, c.comm, c.threads, c.asleep) for c in clients)
    _rows(("pid", "name", "threads", "asleep"), rows, "no client")


def print_files(files: Iterable[FileState]) -> None:
    """Print the open files."""
    rows = (
        (f.client_id, f.path, f.pid, f.comm, f.descriptors, f.handles, f.syncobjs, f.contexts, f.mappings)
        for f in files
    )
    headings = ("client", "file", "pid", "name", "descriptors", "handles", "syncobjs", "contexts", "mappings")
    _rows(headings, rows, "no file is open")


def print_contexts(contexts: Iterable[ContextState]) -> None:
    """Print contexts, an entity to a line."""
    table = _table("client", "context", "state", "entity", "on", "submitted", "queued", "error")
    for ctx in contexts:
        flags = [name for name, value in (("guilty", ctx.guilty), ("VRAM lost", ctx.lost)) if value]
        begin = [str(ctx.client_id), str(ctx.id), ", ".join(flags) or "good"]
        if not ctx.entities:
            table.add_row(*begin)
        for entity in ctx.entities:
            numbers = (entity.submitted, entity.queued, entity.error)
            table.add_row(*begin, entity.name, entity.ring, *(str(number) for number in numbers))
            begin = ["", "", ""]
    _print(table, "no context")


def print_bos(bos: Iterable[BoState]) -> None:
    """Print buffers."""
    rows = (
        (
            bo.client_id,
            bo.handle,
            _size(bo.size),
            bo.domain,
            _address(bo.address),
            f"{bo.flags:#x}",
            "always valid" if bo.always_valid else "",
            bo.references,
        )
        for bo in bos
    )
    _rows(("client", "handle", "size", "domain", "address", "flags", "", "references"), rows, "no buffer")


def print_mappings(mappings: Iterable[MappingState]) -> None:
    """Print mappings."""
    rows = (
        (
            _address(m.va),
            _size(m.size),
            m.kind,
            _address(m.offset) if m.kind == "BO" else "",
            f"{m.flags:#x}",
            "" if m.written else "still to be written",
        )
        for m in mappings
    )
    _rows(("address", "size", "of", "offset", "flags", ""), rows, "nothing is mapped")


def print_rings(rings: Iterable[RingState]) -> None:
    """Print rings."""
    rows = (
        (
            ring.gpu,
            ring.name,
            f"{ring.state}, held" if ring.held else ring.state,
            ring.on_ring,
            ring.queued,
            f"{ring.last_signaled}/{ring.last_emitted}",
            "" if ring.state == "idle" else ring.at,
            ring.fault,
        )
        for ring in rings
    )
    _rows(("GPU", "ring", "state", "jobs", "queued", "fences", "at", ""), rows, "no ring")


def print_jobs(jobs: Iterable[JobState], empty: str) -> None:
    """Print jobs, and below each the fences it waits for."""
    found = False
    for job in jobs:
        found = True
        where = f" {_address(job.va)}+{_size(job.size)}" if job.va is not None and job.size is not None else ""
        whose = f" of client {job.client_id}" if job.client_id is not None else ""
        behind = f", behind {job.behind} in its queue" if job.behind else ""
        print(f"GPU {job.gpu} {job.ring}: {job.what}{where}{whose}: {job.state}{behind}")
        print(f"    finished when {job.fence} signals")
        for fence in job.waits_for:
            print(f"    waits for {fence.name}: {fence.what}")
    if not found:
        print(empty)


def print_audit(counts: dict[str, int]) -> None:
    """Print what is kept for clients; zeros in one line."""
    kept = {name: count for name, count in counts.items() if count}
    for name, count in kept.items():
        print(f"{name}: {count}")
    if not kept:
        print(f"nothing is kept for clients: all {len(counts)} counts are 0")
