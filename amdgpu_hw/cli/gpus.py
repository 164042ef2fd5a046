# SPDX-License-Identifier: MIT
"""``amdgpu-hw list`` and ``amdgpu-hw info``: which GPUs are here, and what one of them and its kernel can do."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table

from amdgpu_hw.cli.machine_options import add_guest_options
from amdgpu_hw.discovery import GpuNode, list_gpus, select_gpu
from amdgpu_hw.errors import HarnessError, NoGpu
from amdgpu_hw.gate import makers
from amdgpu_hw.gpu import Gpu, open_gpu
from amdgpu_hw.on_guest import again_on_guest
from amdgpu_hw.options.guest import GuestChoice
from amdgpu_hw.options.machine import MachineChoice
from amdgpu_hw.options.suite import GpuChoice
from amdgpu_hw.verdict.machine import this_machine
from amdgpu_hw.verdict.table import render

__all__ = ("add_commands",)


def add_commands(commands: Any) -> None:
    """Declare the commands."""
    parser = commands.add_parser("list", help="the GPUs of this machine", allow_abbrev=False)
    add_guest_options(parser)
    parser.add_argument("--gpu", metavar="NAME", help="the GPU of the guest machine")
    parser.set_defaults(run=run_list, takes_rest=False)
    parser = commands.add_parser("info", help="what kernel and GPU can do, by trying it", allow_abbrev=False)
    GpuChoice.declare(parser.add_argument, filled=True)
    add_guest_options(parser)
    parser.set_defaults(run=run_info, takes_rest=False)


def run_list(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print one line per GPU."""
    guest = GuestChoice.of(options)
    if guest.asked:
        return again_on_guest(["list"], guest, MachineChoice(gpu=options.gpu))
    nodes = list_gpus()
    if not nodes:
        select_gpu()  # raises, saying what there is instead
        raise NoGpu("this machine has no amdgpu GPU")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("node", "PCI address", "name", "GC", "SDMA", "driver"):
        table.add_column(heading, no_wrap=True)
    for node in nodes:
        table.add_row(*_line(node))
    _print(table)
    return 0


def _line(node: GpuNode) -> list[str]:
    try:
        with open_gpu(node.node) as gpu:
            identity = gpu.identity
            numbers = (identity.gc_version, identity.sdma_version, identity.driver_version)
            return [node.node, node.pci_address, identity.name, *(".".join(map(str, version)) for version in numbers)]
    except HarnessError as error:
        return [node.node, node.pci_address, node.model, f"cannot be opened: {error}"]


def run_info(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print everything that probing finds out."""
    guest = GuestChoice.of(options)
    if guest.asked:
        return again_on_guest(["info"], guest, MachineChoice(gpu=options.gpu))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    with open_gpu(options.gpu) as gpu:
        for name, answer in (*_identity(gpu), *_probes(gpu), *_gates(gpu.identity.node)):
            table.add_row(name, answer)
    _print(table)
    return 0


def _identity(gpu: Gpu) -> Iterable[tuple[str, str]]:
    machine, identity = this_machine(), gpu.identity
    yield "machine", f"{machine.words}: {machine.sentence}"
    yield "GPU", str(gpu)
    yield "node", identity.node
    yield "driver", "amdgpu {}.{}".format(*identity.driver_version)
    yield "memory", f"VRAM {identity.vram_size >> 20} MiB ({identity.visible_vram_size >> 20} MiB for the CPU)"
    yield "addresses", f"{identity.va_start:#_x} to {identity.va_end:#_x}"


def _probes(gpu: Gpu) -> Iterable[tuple[str, str]]:
    for name, probe in gpu.capabilities.probes().items():
        yield name.replace("_", " "), str(probe)
    for engine, info in gpu.capabilities.rings.items():
        count = len(info.rings)
        yield f"{engine.name.lower()} rings", str(count) if count else "none"


def _gates(node: str) -> Iterable[tuple[str, str]]:
    for maker in makers(node):
        why_not = maker.why_not()
        maker.close()
        yield f"gate {maker.name}", f"no: {why_not}" if why_not else f"yes: {maker.summary}"


def _print(table: Table) -> None:
    width = shutil.get_terminal_size((120, 24)).columns
    sys.stdout.write(render(table, width, sys.stdout.isatty()))
