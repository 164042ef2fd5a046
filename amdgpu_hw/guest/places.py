# SPDX-License-Identifier: MIT
"""Where the guest machine keeps what it fetched and made: one directory, which can be deleted at any time.

tools/       QEMU, virtiofsd and busybox, where the distribution's are too old or missing
kernels/     kernels that set-up fetched, or that were unpacked from a package
prepared/    modules of a kernel as the guest loads them: uncompressed, without debugging information
trials/      whether KVM serves on this machine
modules/     amdgpu.ko as scripts/build_module built it
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ("cache",)

CACHE_VARIABLE = "AMDGPU_HW_CACHE"


def cache(*parts: str) -> Path:
    """A path in our cache: ``$AMDGPU_HW_CACHE``, or ``amdgpu-hw`` in the user's cache directory. Nothing is made."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).absolute().joinpath(*parts)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute().joinpath("amdgpu-hw", *parts)
