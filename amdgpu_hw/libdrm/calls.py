# SPDX-License-Identifier: MIT
"""The compiled module's two names, and the two ways in which libdrm reports an error."""

from __future__ import annotations

from typing import Any

from amdgpu_hw.errors import DrmError

try:
    from amdgpu_hw.libdrm._libdrm import ffi, lib
except ImportError as error:
    raise ImportError(
        f"the bindings to libdrm are not usable ({error}): run scripts/test or scripts/validate once, or "
        "'pip install -e .', to compile them"
    ) from error

__all__ = ("check", "check_errno", "ffi", "lib")


def check(ret: int, ioctl: str, **arguments: Any) -> None:
    """Raise `DrmError` for a call that returns a negative errno, as libdrm_amdgpu does."""
    if ret < 0:
        raise DrmError(-ret, ioctl, arguments)


def check_errno(ret: int, ioctl: str, **arguments: Any) -> None:
    """Raise `DrmError` for a call that returns nonzero and leaves the reason in errno, as libdrm itself does."""
    if ret != 0:
        raise DrmError(ffi.errno, ioctl, arguments)
