# SPDX-License-Identifier: MIT
"""What every report says of the machine, as pairs of a name and words."""

from __future__ import annotations

from collections.abc import Iterator

from amdgpu_hw.verdict.fingerprint_words import fingerprint_facts
from amdgpu_hw.verdict.model import Case
from amdgpu_hw.verdict.results import Results
from amdgpu_hw.verdict.words import series_words, version_words

__all__ = ("case_label", "machine_facts", "warning")


def case_label(case: Case) -> str:
    """One name for a case that stays the same from run to run: its row, its test, its parameters."""
    return f"{case.row} {case.test.rpartition('::')[2]}"


def warning(results: Results) -> str:
    """What is not real, in words that cannot be missed; empty on a real machine."""
    machine = results.machine
    if machine.gpu_is_real and machine.kernel_is_real:
        return ""
    kernel = "REAL KERNEL" if machine.kernel_is_real else "MODELLED KERNEL"
    return f"{kernel}, MODELLED GPU: {machine.meaning}."


def machine_facts(results: Results) -> Iterator[tuple[str, str]]:
    """What was tested and how, real or modelled said of kernel and GPU alike."""
    machine, gpu = results.machine, results.gpu
    real = "REAL" if machine.gpu_is_real else f"MODELLED: {', '.join(machine.mock_gpus or machine.guest_gpus)}"
    if gpu:
        yield "GPU", f"{gpu['name']} ({real})"
        yield "GC, SDMA", f"{version_words(gpu['gc_version'])}, {version_words(gpu['sdma_version'])}"
        yield "driver", f"amdgpu {version_words(gpu['driver_version'])}"
    else:
        yield "GPU", f"none that could be opened ({real})"
    if machine.is_mock:
        yield "kernel", f"{machine.mock_kernel} (MODELLED)"
    else:
        yield "kernel", f"Linux {machine.kernel} ({machine.architecture}, REAL)"
    if machine.guest_module is not None:
        yield "amdgpu.ko", machine.guest_module.words
    for name, description in machine.mock_bugs.items():
        yield "planted bug", f"{name}: {description}"
    for name, value in machine.mock_parameters.items():
        yield "parameter", f"amdgpu.{name}={value:#x}"
    yield "explicit sync", series_words(results)
    yield "gate", results.gate or "none"
    yield "software", ", ".join(f"{name} {version}" for name, version in results.versions.items() if version)
    yield "started", results.started.isoformat(" ", "seconds")
    yield from fingerprint_facts(results)
    if results.expectations is not None:
        yield "expectations", ", ".join(results.expectations) or "none for this kernel and GPU: all must hold"
