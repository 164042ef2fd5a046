# SPDX-License-Identifier: MIT
"""The module parameters of the running amdgpu driver, as /sys/module/amdgpu/parameters tells them."""

from __future__ import annotations

from pathlib import Path

from amdgpu_hw.errors import FeatureMissing

__all__ = ("module_parameter",)

_DIRECTORY = Path("/sys/module/amdgpu/parameters")


def module_parameter(name: str) -> int:
    """A numeric parameter. Raises `FeatureMissing` if it cannot be read: many are for root, some kernels lack some."""
    try:
        return int((_DIRECTORY / name).read_text(encoding="ascii"), 0)
    except OSError as error:
        raise FeatureMissing(f"the module parameter amdgpu.{name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise FeatureMissing(f"the module parameter amdgpu.{name} is no number: {error}") from None
