# SPDX-License-Identifier: MIT
"""Whether two results may be compared: what differs between their conditions besides what is compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from amdgpu_hw.measure.model import Conditions

__all__ = ("Mismatch", "Subject", "comparable", "subject")

LOAD_TOLERANCE, LOAD_SHARE = 1.0, 0.25
"""Load averages may differ by one process that wants to run, or by a quarter on a machine that is busy anyway."""

Subject = str
"""What two results are compared for: ``kernel``, ``GPU`` or ``run`` (same kernel, same GPU)."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A condition that differs: its name, and what it was for each."""

    name: str
    a: str
    b: str

    def __str__(self) -> str:
        return f"{self.name}: {self.a or 'none'} against {self.b or 'none'}"


_Facts = Callable[[Conditions], Any]

# What tells one kernel, one GPU from another. Whichever is compared is expected to differ, with all its facts.
_KERNEL: dict[str, _Facts] = {
    "kernel": lambda c: c.kernel,
    "kernel build": lambda c: c.kernel_version,
    "driver version": lambda c: ".".join(map(str, c.driver_version)),
}
_GPU: dict[str, _Facts] = {
    "GPU": lambda c: c.gpu_name,
    "GC version": lambda c: ".".join(map(str, c.gc_version)),
    "PCI address": lambda c: c.pci_address,
    "firmware": lambda c: c.firmware,
}
_OTHER: dict[str, _Facts] = {
    "time": lambda c: "simulated" if c.simulated else "real",
    "simulated time factor": lambda c: f"{c.gpu_time:g}",
    "driver": lambda c: c.driver,
    "libdrm": lambda c: c.libdrm,
    "module parameter": lambda c: c.module_parameters,
    "governor": lambda c: ", ".join(sorted(set(c.governors.values()))),
    "pinned": lambda c: "no" if c.pinned_cpu is None else "to a CPU",
    "power state": lambda c: c.pstate,
    "option": lambda c: c.options,
}


def subject(a: Conditions, b: Conditions) -> Subject:
    """What the two are compared for: the kernel if that differs, else the GPU if that does, else two runs."""
    if a.kernel != b.kernel or a.kernel_version != b.kernel_version:
        return "kernel"
    return "GPU" if (a.gpu_name, a.pci_address) != (b.gpu_name, b.pci_address) else "run"


def comparable(a: Conditions, b: Conditions) -> list[Mismatch]:
    """What differs besides the `subject`; empty if the two can be compared.

    Python's version and the kind of CPU pinned to do not count: sampling is in C, and which CPU it was does not matter.
    """
    of = subject(a, b)
    facts = _OTHER | (_GPU if of != "GPU" else {}) | (_KERNEL if of != "kernel" else {})
    mismatches = [each for name, fact in facts.items() for each in _differences(name, fact(a), fact(b))]
    loads = a.load_average[0], b.load_average[0]
    if abs(loads[0] - loads[1]) > max(LOAD_TOLERANCE, LOAD_SHARE * max(loads)):
        mismatches.append(Mismatch("load average", *(f"{load:.2f}" for load in loads)))
    return mismatches


def _differences(name: str, a: Any, b: Any) -> list[Mismatch]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        both = sorted({*a, *b})
        return [each for key in both for each in _differences(f"{name} {key}", a.get(key, ""), b.get(key, ""))]
    return [Mismatch(name, str(a), str(b))] if a != b else []
