# SPDX-License-Identifier: MIT
"""Every call of the tables in tests.mock.kernel.errnos, by name, as something that a client can make.

What kernels answer stands in the tables too, but is not looked at here: the machines are held against each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from agreement.bounded import Answer
from agreement.clients import (
    CallClient,
    FileClient,
    SyncobjClient,
    UnprivilegedClient,
    WaitClient,
    errno_of,
    primary_node,
)
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.uapi import amdgpu_drm as amdgpu
from tests.mock.kernel.errnos import BAD, Row, contexts, core, gem, gem_va, queries, submissions, syncobjs, waiting

__all__ = ("CALLS", "NamedCall")

_NO_NODE_OF_ITS_OWN = ("timeline",)
"""Files that Debian's kernels do not have (CONFIG_SW_SYNC)."""


@dataclass(frozen=True, slots=True)
class NamedCall:
    """One call; ``name`` is the same on every machine: table, ioctl, what is wrong with it."""

    name: str
    run: Callable[[], int]

    def make(self) -> Answer:
        """Make it; its errno, or why it could not be made."""
        try:
            return {"errno": self.run()}
        except (HarnessError, OSError) as error:
            return {"cannot": str(error)}


def _row(make: Callable[[], CallClient], row: Row) -> int:
    with make() as client:
        return client.fails(row.ioctl, **row.arguments(client))


def _submission(submission: submissions.Submission) -> int:
    with CallClient() as client:
        chunks = [make(client) for make in submission.chunks]
        return errno_of(
            client.fd, amdgpu.IOCTL_AMDGPU_CS, **submissions.cs_fields(client, chunks, client.ctx, submission.bo_list)
        )


def _query(query: int, room: int, writable: bool, *arguments: int) -> int:
    with CallClient() as client:
        pointer = client.alloc(bytes(queries.ROOM)) if writable else BAD
        fields = {f"arg{number}": value for number, value in enumerate(arguments)}
        return client.fails(amdgpu.IOCTL_AMDGPU_INFO, return_pointer=pointer, return_size=room, query=query, **fields)


def _all() -> Iterator[tuple[str, Callable[[], int]]]:
    """Name and call, in the order of the tables."""
    tables: tuple[tuple[str, Callable[[], CallClient], tuple[Row, ...]], ...] = (
        ("gem_va", CallClient, gem_va.ROWS),
        ("gem", CallClient, gem.GEM_ROWS),
        ("ctx", UnprivilegedClient, contexts.CTX_ROWS),
        ("sched", lambda: CallClient(primary_node()), contexts.SCHED_ROWS),
        ("wait", WaitClient, waiting.WAIT_ROWS),
        ("syncobj", SyncobjClient, syncobjs.ROWS),
        ("render", partial(FileClient, "render"), core.RENDER_ROWS),
        ("primary", partial(FileClient, "master"), core.MASTER_ROWS),
    )
    for table, client, rows in tables:
        for row in rows:
            yield f"{table}/{row.words}", partial(_row, client, row)
    for name, row in core.FILE_ROWS:
        if name not in _NO_NODE_OF_ITS_OWN:
            yield f"{name}/{row.words}", partial(_row, partial(FileClient, name), row)
    for submission in submissions.SUBMISSIONS:
        yield f"cs/{submission.why}", partial(_submission, submission)
    for why, query, arguments, _, _ in queries.INFO_ROWS:
        name = f"info/{query:#04x} ({why})"
        yield name, partial(_query, query, queries.ROOM, True, *arguments)
        yield f"{name}, not writable", partial(_query, query, queries.ROOM, False, *arguments)
        yield f"{name}, no room", partial(_query, query, 0, True, *arguments)


def _named() -> Iterator[NamedCall]:
    seen: Counter[str] = Counter()
    for name, run in _all():
        seen[name] += 1
        yield NamedCall(f"{name} #{seen[name]}" if seen[name] > 1 else name, run)


CALLS: tuple[NamedCall, ...] = tuple(_named())
"""All of them; each is made by a client of its own."""
