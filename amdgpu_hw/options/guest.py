# SPDX-License-Identifier: MIT
"""What can be said about a guest machine, on ``amdgpu-hw guest`` and on the commands that have ``--guest``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.guest.kernels import STOCK, find_kernel
from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU, GUEST_GPUS
from amdgpu_hw.guest.qemu import KVM, TCG
from amdgpu_hw.guest.session import GuestOptions
from amdgpu_hw.options.declared import Options, comma_separated, option
from amdgpu_hw.options.numbers import whole_number

__all__ = ("GuestChoice", "GuestSettings", "WholeGuestMachine")

_LEAST_MIB = 1024
_MOST_MIB = 1 << 20
_MOST_PROCESSORS = 255


def _parameter(text: str) -> tuple[tuple[str, str], ...]:
    name, found, value = text.partition("=")
    if not found or not name.isidentifier() or not value or set(value) & set(' \t\n"'):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, not '{text}'")
    return ((name, value),)


def _memory(text: str) -> int:
    return whole_number(_LEAST_MIB, _MOST_MIB)(text)


def _processors(text: str) -> int:
    return whole_number(1, _MOST_PROCESSORS)(text)


def _accelerator(text: str) -> str:
    if text not in (KVM, TCG):
        raise argparse.ArgumentTypeError(f"must be {KVM} or {TCG}, not '{text}'")
    return text


def _gpu(text: str) -> str:
    if text not in GUEST_GPUS:
        raise argparse.ArgumentTypeError(f"no guest machine has a GPU '{text}'; there are: {', '.join(GUEST_GPUS)}")
    return text


def _word(text: str) -> tuple[str, ...]:
    return (text,)


def _path(text: str) -> tuple[Path, ...]:
    return (Path(text),)


@dataclass(frozen=True)
class GuestSettings(Options):
    """What a guest machine is like, beside its GPUs and its kernel."""

    modules: Path | None = option("where the guest kernel's modules are, if not beside it", metavar="DIR", read=Path)
    module: Path | None = option("an amdgpu.ko in place of the guest kernel's own", metavar="FILE", read=Path)
    accel: str | None = option(
        f"run the guest with {KVM} or {TCG} (default: {KVM} if a trial boot shows that it serves)",
        metavar="NAME",
        read=_accelerator,
    )
    memory: int = option("memory of the guest (default: %(default)s)", default=2048, metavar="MIB", read=_memory)
    cpus: int = option("processors of the guest (default: %(default)s)", default=2, metavar="N", read=_processors)
    share: tuple[Path, ...] = option(
        "let the guest change this directory, too; repeatable", default=(), metavar="DIR", read=_path
    )
    append: tuple[str, ...] = option(
        "a word for the guest kernel's command line; repeatable", default=(), metavar="WORD", read=_word
    )
    qemu: tuple[str, ...] = option("a word for QEMU's command line; repeatable", default=(), metavar="WORD", read=_word)
    whole_modules: bool = option("leave in modules what makes them slow to load: BTF, places to trace", default=False)

    def guest_options(
        self,
        gpus: Sequence[str],
        linux: str | None,
        parameters: Sequence[tuple[str, object]],
        *,
        console: Path | None = None,
        user: str | None = None,
        writable: Sequence[Path] = (),
        load_driver: bool = True,
    ) -> GuestOptions:
        """What `GuestMachine` is to be given."""
        return GuestOptions(
            gpus=tuple(gpus) or (DEFAULT_GPU,),
            linux=linux,
            modules=self.modules,
            amdgpu=self.module,
            parameters={name: str(value) for name, value in parameters},
            accelerator=self.accel,
            memory_mib=self.memory,
            processors=self.cpus,
            writable=(*self.share, *writable),
            kernel_arguments=self.append,
            qemu_arguments=self.qemu,
            whole_modules=self.whole_modules,
            load_driver=load_driver,
            console=console,
            user=user,
        )


_KERNEL = (
    "a version, installed or fetched by set-up (its beginning will do), a Debian package, a built kernel tree or a "
    "bzImage; default: the newest that set-up fetched"
)


@dataclass(frozen=True)
class WholeGuestMachine(GuestSettings):
    """A guest machine, and who runs a program there."""

    gpus: tuple[str, ...] = option(
        "the GPUs of the machine; repeatable",
        name="gpu",
        default=(),
        metavar="NAME[,NAME]",
        read=comma_separated(_gpu),
        known=lambda: GUEST_GPUS,
    )
    linux: str | None = option(f"the kernel: {_KERNEL}", metavar="WHAT")
    parameters: tuple[tuple[str, str], ...] = option(
        "module parameter of amdgpu; repeatable", name="parameter", default=(), metavar="NAME=VALUE", read=_parameter
    )
    user: str | None = option("who runs the program in the guest (default: root)", metavar="NAME")
    console: Path | None = option("the log of the guest's console (default: in results/)", metavar="FILE", read=Path)
    no_driver: bool = option("load no driver: the program is to do that", default=False)

    def options(self) -> GuestOptions:
        """What `GuestMachine` is to be given."""
        return self.guest_options(
            self.gpus,
            self.linux,
            self.parameters,
            console=self.console,
            user=self.user,
            load_driver=not self.no_driver,
        )


@dataclass(frozen=True)
class GuestChoice(GuestSettings):
    """Whether a command is to be carried out on a guest machine, and on which."""

    guest: str | None = option(
        f"on a guest machine with this kernel: {_KERNEL}; --gpu names its GPU", metavar="WHAT", bare=STOCK
    )
    guest_parameter: tuple[tuple[str, str], ...] = option(
        "module parameter of the guest's amdgpu; repeatable", default=(), metavar="NAME=VALUE", read=_parameter
    )

    @property
    def asked(self) -> bool:
        """Whether a guest machine was asked for."""
        return self.guest is not None

    def options(
        self, gpu: str | None, parameters: Sequence[tuple[str, object]], files: Sequence[Path], console: Path | None
    ) -> GuestOptions:
        """What `GuestMachine` is to be given: ``files`` are written in it, so their directories are shared."""
        directories = []
        for file in files:
            os.makedirs(file.absolute().parent, exist_ok=True)
            directories.append(file.absolute().parent)
        return self.guest_options(
            [gpu] if gpu else [],
            self.guest,
            [*parameters, *self.guest_parameter],
            console=console,
            writable=directories,
        )

    def subject(self, gpu: str | None) -> str:
        """What the machine is called in the names of files. Raises `HarnessError`."""
        module = f"-{self.module.stem}" if self.module else ""
        return f"guest-{gpu or DEFAULT_GPU}-{find_kernel(self.guest, self.modules).release}{module}"
