# SPDX-License-Identifier: MIT
"""What the console of a mock machine says about it: both ends of the console's socket know these types.

They travel as JSON objects with the fields' names; `amdgpu_hw.decode` makes them from that again.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = (
    "BoState",
    "ClientState",
    "ContextState",
    "EntityState",
    "FenceState",
    "FileState",
    "GpuState",
    "JobState",
    "MachineState",
    "MappingState",
    "RingState",
)


@dataclass(frozen=True, slots=True)
class GpuState:
    """One GPU; ``index`` is what commands call it."""

    index: int
    name: str
    pci_address: str
    unplugged: bool
    in_reset: bool
    resets: int
    vram_losses: int
    vram_used: int
    gtt_used: int


@dataclass(frozen=True, slots=True)
class MachineState:
    """The machine as a whole."""

    kernel: str
    bugs: tuple[str, ...]
    """Names of the bugs planted in it."""
    gpus: tuple[GpuState, ...]
    gpu_time: float
    """Factor of the modelled time of what GPUs do; 0: it takes none."""
    oopses: int
    """How often the mock kernel's own code failed; 0 on a sound one."""
    faults: dict[str, str]
    """Injected faults that have not happened yet."""


@dataclass(frozen=True, slots=True)
class ClientState:
    """A process that uses the machine."""

    pid: int
    comm: str
    threads: int
    asleep: int
    """How many of them sleep in a system call."""


@dataclass(frozen=True, slots=True)
class FileState:
    """An open file."""

    path: str
    pid: int
    comm: str
    descriptors: int
    """Different descriptors made for it; a dup of one does not count."""
    client_id: int | None
    """Number of an open DRM node, which contexts, buffers and mappings name; None for other files."""
    gpu: int | None
    handles: int
    syncobjs: int
    contexts: int
    mappings: int


@dataclass(frozen=True, slots=True)
class EntityState:
    """A queue in front of a ring: a context's, or one of a VM's page-table updates."""

    name: str
    ring: str
    submitted: int
    queued: int
    error: int
    """Of its last job: 0 or a negative errno."""


@dataclass(frozen=True, slots=True)
class ContextState:
    """A context of an open file."""

    client_id: int
    id: int
    priority: int
    guilty: bool
    lost: bool
    """VRAM was lost since it was made."""
    entities: tuple[EntityState, ...]


@dataclass(frozen=True, slots=True)
class BoState:
    """A buffer that a file has a handle of; sizes and address in bytes."""

    client_id: int
    handle: int
    size: int
    domain: str
    address: int
    flags: int
    always_valid: bool
    handles: int
    """Of all files together."""
    references: int


@dataclass(frozen=True, slots=True)
class MappingState:
    """A mapping in the address space of an open file."""

    client_id: int
    va: int
    size: int
    kind: str
    """``"BO"`` or ``"PRT"``."""
    offset: int
    flags: int
    written: bool
    """A page-table job for it has been queued."""


@dataclass(frozen=True, slots=True)
class FenceState:
    """A fence."""

    name: str
    """Driver, timeline, context and number, as debugfs prints it."""
    what: str
    signaled: bool
    error: int


@dataclass(frozen=True, slots=True)
class JobState:
    """A job that is not done."""

    gpu: int
    ring: str
    what: str
    fence: str
    """Name of the fence that says it is finished."""
    state: str
    """``"waiting"``: for `waits_for`, or behind others; ``"on the ring"``."""
    behind: int
    """How many jobs of its queue have to leave that before it."""
    waits_for: tuple[FenceState, ...]
    """Fences it depends on that have not signalled."""
    client_id: int | None
    """Whose address space it works in."""
    va: int | None
    size: int | None
    """The pages that a page-table update writes."""


@dataclass(frozen=True, slots=True)
class RingState:
    """A ring."""

    gpu: int
    name: str
    state: str
    held: bool
    at: str
    """Which packet it is at."""
    on_ring: int
    """Jobs on it that are not done."""
    queued: int
    """Jobs that wait in front of it."""
    last_signaled: int
    last_emitted: int
    resets: str
    """How it can be got going again."""
    fault: str
    """What has been injected and has not happened yet."""
