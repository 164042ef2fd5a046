# SPDX-License-Identifier: MIT
"""What every report says of a run in the same words: its GPU, its kernel, the series, the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.verdict.model import Verdict
from amdgpu_hw.verdict.results import Results

__all__ = ("gpu_words", "kernel_words", "series_words", "verdict_words", "version_words")


def version_words(numbers: Sequence[int]) -> str:
    """A version as people write it, e.g. ``11.0.0``."""
    return ".".join(map(str, numbers))


def gpu_words(results: Results) -> tuple[str, bool]:
    """The GPU, where it is and of which version, and whether it is real."""
    machine, gpu = results.machine, results.gpu
    if not gpu:
        return "none that could be opened", machine.gpu_is_real
    words = f"{gpu['name']} at {gpu['pci_address']}, GC {version_words(gpu['gc_version'])}"
    return words, machine.gpu_is_real


def kernel_words(results: Results) -> tuple[str, bool]:
    """The kernel by its release, or its name if it is a mock one, and whether it is real."""
    machine = results.machine
    if not machine.is_mock:
        return f"Linux {machine.kernel.partition(' ')[0]}", True
    given = "".join(f", amdgpu.{name}={value:#x}" for name, value in machine.mock_parameters.items())
    return f"{machine.mock_kernel}{given}", False


def series_words(results: Results) -> str:
    """Whether the kernel has the flag that the series adds."""
    probe = results.probes.get("explicit_sync")
    if probe is None:
        return "not asked for"
    return "yes" if probe["supported"] else f"no: {probe['why']}"


def verdict_words(results: Results) -> str:
    """The verdict of a run in a sentence."""
    as_expected = results.expectations is not None
    if results.verdict is Verdict.BROKEN:
        return "Not everything is as expected." if as_expected else "Not every behaviour holds."
    if results.verdict is Verdict.INCOMPLETE:
        return "This is no verdict."
    if results.verdict is Verdict.NOTHING:
        return "This is no verdict on the series."
    return "Everything is as expected." if as_expected else "Nothing is broken."
