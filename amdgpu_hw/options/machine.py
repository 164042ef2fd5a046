# SPDX-License-Identifier: MIT
"""Which machine a run is to happen on: the one it is started on, or a mock machine that is made for it."""

from __future__ import annotations

import argparse
import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from amdgpu_hw.mock.defaults import DEFAULT_GPU, OPTIONAL_DEVICES
from amdgpu_hw.options.declared import Options, comma_separated, option
from amdgpu_hw.options.suite import GpuChoice

__all__ = ("MAX_GPU_TIME", "MOCK", "MachineChoice", "MachineKind", "MockOptions", "factor", "parameter_names")

MAX_GPU_TIME = 1e6

MOCK = "mock"
"""The option that asks for a mock machine; how options say that no other machine has what they ask for."""


class MachineKind(enum.Enum):
    """The kinds of machines; `amdgpu_hw.on_mock` runs a command on those that have to be made."""

    REAL = "the machine that this runs on"
    MOCK = "a mock machine: modelled kernel, modelled GPU"


def _parameter(text: str) -> tuple[str, int]:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.params import parse_parameter

    try:
        return parse_parameter(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parameter_names() -> Iterable[str]:
    """The module parameters of a mock machine's amdgpu."""
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.params import MODULE_PARAMETERS

    return MODULE_PARAMETERS


def _device(text: str) -> str:
    if text not in OPTIONAL_DEVICES:
        raise argparse.ArgumentTypeError(
            f"no machine can do without '{text}'; choose from {', '.join(OPTIONAL_DEVICES)}"
        )
    return text


def factor(text: str) -> float:
    """A factor on the modelled time of GPUs."""
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= MAX_GPU_TIME:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to {MAX_GPU_TIME:g}, not '{text}'")
    return number


@dataclass(frozen=True)
class MockOptions(Options):
    """What a mock machine is like, beside its GPUs."""

    kernel: str | None = option("the mock machine's kernel", metavar="VARIANT", only_on=MOCK)
    bugs: tuple[str, ...] = option(
        "plant bugs in the mock machine's kernel, see 'amdgpu-hw bugs'; repeatable",
        name="bug",
        default=(),
        metavar="NAME[,NAME]",
        read=comma_separated(),
        only_on=MOCK,
    )
    parameters: tuple[tuple[str, int], ...] = option(
        "module parameters of the mock machine's amdgpu; repeatable",
        name="parameter",
        default=(),
        metavar="NAME=NUMBER[,...]",
        read=comma_separated(_parameter),
        write=lambda pair: "{}={}".format(*pair),
        known=parameter_names,
        only_on=MOCK,
    )
    without: tuple[str, ...] = option(
        f"leave a device out of the mock machine ({', '.join(OPTIONAL_DEVICES)}); repeatable",
        default=(),
        metavar="DEVICE",
        read=comma_separated(_device),
        only_on=MOCK,
    )
    gpu_time: float = option(
        "how long the mock GPUs' work takes: 1 as modelled, 0 no time, or times that factor (default: %(default)g)",
        default=1.0,
        metavar="FACTOR",
        read=factor,
    )

    def kernel_name(self) -> str:
        """The kernel that is asked for, or that the bugs were written for. Raises `HarnessError`."""
        from amdgpu_hw.mock.planting import kernel_of

        return self.kernel or kernel_of(self.bugs)


@dataclass(frozen=True)
class MachineChoice(MockOptions, GpuChoice):
    """The machine that a run is to happen on, and the GPU of it."""

    mock: str | None = option(
        f"on a mock machine with this GPU ({DEFAULT_GPU} if no name is given)", metavar="NAME", bare=DEFAULT_GPU
    )

    @property
    def kind(self) -> MachineKind:
        """The kind of machine that these options ask for."""
        return MachineKind.REAL if self.mock is None and not self.given_for_mock() else MachineKind.MOCK

    def given_for_mock(self) -> list[str]:
        """The fields that were given and ask for something that only mock machines have."""
        return [name for name in self.given() if name in self.only_on(MOCK)]

    @property
    def mock_gpu(self) -> str:
        """The GPU of the mock machine."""
        return self.mock or DEFAULT_GPU

    def subject(self) -> str:
        """What the mock machine is called in the names of files. Raises `HarnessError`."""
        parameters = (f"{name}={value}" for name, value in self.parameters)
        bugs = (Path(bug).stem for bug in self.bugs)  # a bug may be a file
        return "-".join((self.mock_gpu, self.kernel_name(), *bugs, *parameters))

    def on_it(self) -> Self:
        """What to ask for on the machine that was made: from inside, it is a machine with GPUs."""
        return replace(type(self)(), gpu=self.gpu)

    @classmethod
    def nothing(cls, prefix: str = "--") -> list[str]:
        """Arguments that take back what asks for a mock machine."""
        return [f"{cls.spelled(name, prefix)}=" for name in (MOCK, *cls.only_on(MOCK))]
