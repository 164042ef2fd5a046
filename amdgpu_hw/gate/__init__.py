# SPDX-License-Identifier: MIT
"""The gates, from safest to last resort: what keeps work provably in flight until a test lets it go.

`choose` takes the first kind that can be had; its name is part of every result. vgem comes before sw_sync because it
taints nothing and the kernel itself bounds it; gpu-wait comes last because only a process of ours bounds it.
"""

from __future__ import annotations

from collections.abc import Callable

from amdgpu_hw.errors import GateError
from amdgpu_hw.gate.base import Gate, GateMaker, open_all, open_what_can_be, shut_gates
from amdgpu_hw.gate.gpu_wait import GpuWaitGateMaker
from amdgpu_hw.gate.sw_sync import SwSyncGateMaker
from amdgpu_hw.gate.vgem import VgemGateMaker

__all__ = (
    "GATE_NAMES",
    "Choice",
    "Gate",
    "GateMaker",
    "choose",
    "makers",
    "open_all",
    "open_what_can_be",
    "shut_gates",
)

_KINDS: dict[str, Callable[[str], GateMaker]] = {
    VgemGateMaker.name: lambda _gpu: VgemGateMaker(),
    SwSyncGateMaker.name: lambda _gpu: SwSyncGateMaker(),
    GpuWaitGateMaker.name: GpuWaitGateMaker,
}

GATE_NAMES = tuple(_KINDS)
"""All kinds, from safest to last resort."""


def makers(gpu: str) -> list[GateMaker]:
    """One maker of every kind for the GPU that a selector names, safest first; the caller closes them."""
    return [make(gpu) for make in _KINDS.values()]


class Choice:
    """The kind of gate that a run uses, and why it does not use the others."""

    def __init__(self, maker: GateMaker | None, why_not: dict[str, str | None]) -> None:
        self.maker = maker
        """None if no kind can be had; `why_not` then says why, kind by kind."""
        self.why_not = why_not

    @property
    def name(self) -> str | None:
        """Name of the kind."""
        return self.maker.name if self.maker else None


def choose(gpu: str, wanted: str | None = None) -> Choice:
    """The safest kind that can be had here, or the ``wanted`` one; raises `GateError` if that is unknown.

    Later kinds are not tried: one of them taints the kernel, another makes the GPU wait.
    """
    if wanted is not None and wanted not in _KINDS:
        raise GateError(f"there is no gate called '{wanted}': choose one of {', '.join(GATE_NAMES)}")
    why_not: dict[str, str | None] = {}
    for name in GATE_NAMES if wanted is None else (wanted,):
        maker = _KINDS[name](gpu)
        why_not[name] = maker.why_not()
        if why_not[name] is None:
            return Choice(maker, why_not)
        maker.close()
    return Choice(None, why_not)
