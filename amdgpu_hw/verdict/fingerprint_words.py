# SPDX-License-Identifier: MIT
"""What a result is a result of, in words: what `amdgpu_hw.evidence.fingerprint` has found out, from a result file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from amdgpu_hw.decode import JSON, decode
from amdgpu_hw.verdict.results import Results

__all__ = ("Fingerprint", "fingerprint_facts")

_SHORT = 12
"""Digits of a hash that tell it apart; the file has all."""

_MiB = 1 << 20


@dataclass(frozen=True, slots=True)
class _Kernel:
    version: str | None = None
    config: str | None = None
    tainted: int | None = None
    taint: str | None = None


@dataclass(frozen=True, slots=True)
class _Driver:
    srcversion: str | None = None
    build_id: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Gpu:
    vbios: Mapping[str, str] | None = None
    firmware: Mapping[str, str] = field(default_factory=dict)
    bar_size: int | None = None
    vram_size: int | None = None
    visible_vram_size: int | None = None


@dataclass(frozen=True, slots=True)
class _Library:
    path: str
    version: str


@dataclass(frozen=True, slots=True)
class _Libraries:
    libdrm_amdgpu: _Library | None = None
    mesa: str | None = None


@dataclass(frozen=True, slots=True)
class _Client:
    pid: int
    name: str
    compositor: bool = False


@dataclass(frozen=True, slots=True)
class _Suite:
    version: str | None = None
    commit: str | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The part of a fingerprint that reports tell; ``command_line`` is not: it may hold what nobody is to read."""

    patch_id: str = ""
    kernel: _Kernel = _Kernel()
    amdgpu: _Driver = _Driver()
    gpu: _Gpu = _Gpu()
    libraries: _Libraries = _Libraries()
    clients: Sequence[_Client] = ()
    all_clients_seen: bool = False
    suite: _Suite = _Suite()


def fingerprint_facts(results: Results) -> Iterator[tuple[str, str]]:
    """Pairs of a name and words; none where the file is of version 1. Raises `DecodeError` for a damaged one."""
    if not results.fingerprint:
        return
    print_: Fingerprint = decode(Fingerprint, results.fingerprint, "fingerprint", JSON)
    if print_.patch_id:
        yield "patches", print_.patch_id
    yield "kernel build", _kernel(print_.kernel)
    yield "module", _driver(print_.amdgpu)
    if print_.gpu.vbios:
        yield "VBIOS", " ".join(filter(None, print_.gpu.vbios.values()))
    if print_.gpu.firmware:
        # Without the feature version, which the file has.
        yield "firmware", ", ".join(f"{name} {text.partition(' ')[0]}" for name, text in print_.gpu.firmware.items())
    if print_.gpu.vram_size is not None:
        yield "VRAM", _vram(print_.gpu)
    yield "libraries", _libraries(print_.libraries)
    yield "on the GPU", _clients(print_)
    yield "suite", _suite(print_.suite)
    yield "kernel log", results.kernel_log or "not read"
    if results.resumed:
        yield "resumed", ", ".join(results.resumed)


def _kernel(kernel: _Kernel) -> str:
    words = [kernel.version or "of which /proc/version says nothing"]
    words.append(f"config {kernel.config[:_SHORT]}" if kernel.config else "its config cannot be read")
    if kernel.tainted is not None:
        words.append(f"tainted {kernel.taint} ({kernel.tainted})" if kernel.tainted else "not tainted")
    return ", ".join(words)


def _driver(driver: _Driver) -> str:
    words = [
        f"{name} {value}" for name, value in (("srcversion", driver.srcversion), ("build ID", driver.build_id)) if value
    ]
    count = len(driver.parameters)
    words.append(
        f"{count} parameter{'' if count == 1 else 's'} in the result file" if count else "no parameters can be read"
    )
    return ", ".join(words)


def _vram(gpu: _Gpu) -> str:
    words = f"{(gpu.vram_size or 0) // _MiB} MiB"
    if gpu.visible_vram_size is not None:
        words += f", {gpu.visible_vram_size // _MiB} MiB of it visible to the CPU"
    return f"{words}, BAR 0 {gpu.bar_size // _MiB} MiB" if gpu.bar_size is not None else words


def _libraries(libraries: _Libraries) -> str:
    amdgpu = libraries.libdrm_amdgpu
    words = f"{amdgpu.path} {amdgpu.version or 'of unknown version'}" if amdgpu is not None else "no libdrm_amdgpu"
    return f"{words}, Mesa {libraries.mesa}" if libraries.mesa else f"{words}, no Mesa"


def _clients(found: Fingerprint) -> str:
    """Who else had it open when the run began: a desktop means that more than the run can make it hang."""
    clients = dict.fromkeys(
        f"{each.name} ({each.pid}{', the desktop' if each.compositor else ''})" for each in found.clients
    )
    words = ", ".join(clients) or "nobody else"
    return words if found.all_clients_seen else f"{words}; only root sees all processes"


def _suite(suite: _Suite) -> str:
    commit = f"commit {suite.commit[:_SHORT]}, " if suite.commit else ""
    return f"amdgpu_hw {suite.version or 'of unknown version'}, {commit}rows {suite.sha256[:_SHORT]}"
