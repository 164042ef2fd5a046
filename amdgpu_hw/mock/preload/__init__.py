# SPDX-License-Identifier: MIT
"""The library that shows a machine's device nodes to a program: C, loaded with LD_PRELOAD."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

__all__ = ("can_be_preloaded", "preload_library")

_SEPARATORS = " :"
"""Of LD_PRELOAD, which has no way to quote them (ld.so(8))."""


def can_be_preloaded(path: str) -> bool:
    """Whether LD_PRELOAD can name what is at this path."""
    return not any(character in path for character in _SEPARATORS)


def preload_library(directory: Path) -> str | None:
    """How LD_PRELOAD names the library; None where it is not built.

    Where its own path cannot be named it gets a link in ``directory``, the machine's own, whose path can.
    """
    spec = find_spec("amdgpu_hw.mock.preload._preload")
    if spec is None or spec.origin is None:
        return None
    if can_be_preloaded(spec.origin):
        return spec.origin
    link = directory / "_preload.so"
    link.symlink_to(spec.origin)
    return str(link)
