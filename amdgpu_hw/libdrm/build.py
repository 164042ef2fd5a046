# SPDX-License-Identifier: MIT
"""Builds `amdgpu_hw.libdrm._libdrm` with CFFI (API mode: compiled against the installed headers).

setup.py names `ffibuilder`; ``python -m amdgpu_hw.libdrm.build`` prints the result of the ABI check alone.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import cffi

HERE = Path(__file__).resolve().parent
if str(HERE.parents[1]) not in sys.path:
    sys.path.insert(0, str(HERE.parents[1]))  # setuptools runs this file by path, without the package

from amdgpu_hw.libdrm import abi  # noqa: E402
from amdgpu_hw.uapi import amdgpu_drm, amdgpu_info, dma_buf, drm, sync_file, vgem_drm  # noqa: E402

UAPI_MODULES = (drm, amdgpu_drm, amdgpu_info, sync_file, dma_buf, vgem_drm)
"""What the installed headers can confirm; sw_sync has none."""


def library_directories() -> list[str]:
    """Where pkg-config says libdrm is, if not in the linker's default directories."""
    try:
        result = subprocess.run(
            ["pkg-config", "--libs-only-L", "libdrm", "libdrm_amdgpu"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return [word.removeprefix("-L") for word in shlex.split(result.stdout)]


def ffibuilder() -> cffi.FFI:
    """Check the ABI, then describe the extension module. Raises `abi.AbiMismatch` if the headers contradict us."""
    flags = abi.compile_flags()
    print(abi.check(UAPI_MODULES, flags), file=sys.stderr)
    ffi = cffi.FFI()
    ffi.cdef((HERE / "cdef.h").read_text() + (HERE / "sampling.h").read_text())
    ffi.set_source(
        "amdgpu_hw.libdrm._libdrm",
        (HERE / "glue.c").read_text() + '#include "sampling.h"\n',
        sources=["amdgpu_hw/libdrm/sampling.c"],
        depends=["amdgpu_hw/libdrm/sampling.h"],
        include_dirs=["amdgpu_hw/libdrm"],
        libraries=["drm_amdgpu", "drm"],
        library_dirs=library_directories(),
        extra_compile_args=[*flags, "-O2", "-Wall", "-Wno-unused-function"],
    )
    return ffi


if __name__ == "__main__":
    print(abi.check(UAPI_MODULES))
