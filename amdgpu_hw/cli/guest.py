# SPDX-License-Identifier: MIT
"""``amdgpu-hw guest``: any program on a real kernel with its own driver, and a modelled GPU."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU, GUEST_GPUS
from amdgpu_hw.guest.qemu import KVM, TCG
from amdgpu_hw.guest.session import GuestOptions
from amdgpu_hw.on_guest import run_on_guest

__all__ = ("add_commands", "add_kernel_options", "guest_options")

_LEAST_MIB = 1024


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "guest",
        help="run any program on a real kernel with a modelled GPU",
        description=(
            "Boots a real kernel in QEMU with modelled GPUs, loads its own amdgpu driver and runs a program there, in "
            "this directory and with this machine's files. Only this directory can be changed from within."
        ),
        usage="amdgpu-hw guest [--gpu NAME]... [--linux WHAT] [--modules DIR] [--module FILE]\n"
        "                       [--parameter NAME=VALUE]... [--accel kvm|tcg] [--memory MIB] [--cpus N]\n"
        "                       [--share DIR]... [--user NAME] [--console FILE] [--append WORD]...\n"
        "                       [--qemu WORD]... [--whole-modules] [--no-driver] -- COMMAND...",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--gpu",
        metavar="NAME",
        action="append",
        default=[],
        choices=sorted(GUEST_GPUS),
        help=f"a GPU of the machine ({DEFAULT_GPU}); repeatable: {', '.join(sorted(GUEST_GPUS))}",
    )
    parser.add_argument("--linux", metavar="WHAT", help=KERNEL_HELP)
    add_kernel_options(parser)
    parser.add_argument(
        "--parameter",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        type=_parameter,
        help="module parameter of amdgpu; repeatable",
    )
    parser.add_argument("--user", metavar="NAME", help="who runs the program in the guest (root)")
    parser.add_argument("--console", metavar="FILE", type=Path, help="the log of the guest's console (in results/)")
    parser.add_argument("--no-driver", action="store_true", help="load no driver: the program is to do that")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the program and its arguments")
    parser.set_defaults(run=run_guest, takes_rest=False)


KERNEL_HELP = (
    "the kernel: a version, installed or fetched by set-up (its beginning will do), a Debian package, a built kernel "
    "tree or a bzImage; default: the newest that set-up fetched"
)


def add_kernel_options(parser: argparse.ArgumentParser) -> None:
    """Declare what else can be said about a guest machine, beside its GPUs, its kernel and parameters."""
    add = parser.add_argument
    add("--modules", metavar="DIR", type=Path, help="where the guest kernel's modules are")
    add("--module", metavar="FILE", type=Path, help="an amdgpu.ko in place of the kernel's own")
    add("--accel", choices=(KVM, TCG), help="run it with this (default: KVM if a trial boot shows that it serves)")
    add("--memory", metavar="MIB", type=_memory, default=2048, help="memory of the guest in MiB (2048)")
    add("--cpus", metavar="N", type=_count, default=2, help="processors of the guest (2)")
    add("--share", metavar="DIR", type=Path, action="append", default=[], help="let the guest change this directory")
    add("--append", metavar="WORD", action="append", default=[], help="a word for the kernel's command line")
    add(
        "--qemu",
        metavar="WORD",
        action="append",
        default=[],
        help="a word for QEMU's, e.g. --qemu=-gdb --qemu=tcp::1234",
    )
    add(
        "--whole-modules",
        action="store_true",
        help="leave in modules what makes them slow to load: BTF, places to trace",
    )


def guest_options(options: argparse.Namespace, gpus: Sequence[str], linux: str | None) -> GuestOptions:
    """What was said about a guest machine, on any command that has these options."""
    return GuestOptions(
        gpus=tuple(gpus) or (DEFAULT_GPU,),
        linux=linux,
        modules=options.modules,
        amdgpu=options.module,
        parameters=dict(options.parameter),
        accelerator=options.accel,
        memory_mib=options.memory,
        processors=options.cpus,
        writable=tuple(options.share),
        kernel_arguments=tuple(options.append),
        qemu_arguments=tuple(options.qemu),
        whole_modules=options.whole_modules,
        load_driver=not getattr(options, "no_driver", False),
        console=getattr(options, "console", None),
        user=getattr(options, "user", None),
    )


def run_guest(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Run the program; the exit status is the program's."""
    return run_on_guest(options.command, guest_options(options, options.gpu, options.linux))


def _parameter(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name.isidentifier() or not value or set(value) & set(' \t\n"'):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, not '{text}'")
    return name, value


def _memory(text: str) -> int:
    if not text.isdecimal() or int(text) < _LEAST_MIB:
        raise argparse.ArgumentTypeError(f"must be a number of MiB from {_LEAST_MIB} on, not '{text}'")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, not '{text}'")
    return int(text)
