# SPDX-License-Identifier: MIT
"""The module parameters of the running amdgpu driver, as /sys/module/amdgpu/parameters tells them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path

from amdgpu_hw.errors import FeatureMissing

__all__ = ("given_parameters", "known_parameter", "module_parameter")

_DIRECTORY = Path("/sys/module/amdgpu/parameters")

_COMMAND_LINE = Path("/proc/cmdline")

_GIVEN = re.compile(r"(?:^|\s)amdgpu\.(?P<name>\w+)=(?P<value>-?(?:0[xX][0-9a-fA-F]+|\d+))(?=\s|$)")


def module_parameter(name: str) -> int:
    """A numeric parameter. Raises `FeatureMissing` if it cannot be read: many are for root, some kernels lack some."""
    try:
        return int((_DIRECTORY / name).read_text(encoding="ascii"), 0)
    except OSError as error:
        raise FeatureMissing(f"the module parameter amdgpu.{name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise FeatureMissing(f"the module parameter amdgpu.{name} is no number: {error}") from None


def known_parameter(name: str) -> int | None:
    """A numeric parameter; None if it cannot be read."""
    with contextlib.suppress(FeatureMissing):
        return module_parameter(name)
    return None


def given_parameters() -> Mapping[str, int]:
    """The numeric parameters on the kernel's command line, by name."""
    try:
        text = _COMMAND_LINE.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return {match["name"]: int(match["value"], 0) for match in _GIVEN.finditer(text)}
