# SPDX-License-Identifier: MIT
"""Builds `amdgpu_hw.mock.transport._transport`: transport.c behind CFFI (API mode), declared by transport.h itself."""

from __future__ import annotations

from pathlib import Path

from cffi import FFI

_HERE = Path(__file__).parent

_WIRE = """
enum wire_op {
    WIRE_OPEN, WIRE_IOCTL, WIRE_MMAP, WIRE_FLUSH, WIRE_FSTAT, WIRE_LSEEK, WIRE_READ, WIRE_NAME, WIRE_FDINFO,
    WIRE_MKDIR, WIRE_RMDIR, WIRE_SETTLE, ...
};
static char *const WIRE_ENVIRONMENT;
static char *const WIRE_DEBUGFS;
#define WIRE_HEARD_MODE ...
#define WIRE_DEBUGFS_DEV ...
#define WIRE_TEXT_SIZE ...
"""
"""What Python needs of wire.h; the compiler fills in the values."""


def _declarations(header: Path) -> str:
    """What CFFI can parse of a C header: all but the preprocessor's lines."""
    lines = header.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


ffibuilder = FFI()
ffibuilder.cdef(_WIRE + _declarations(_HERE / "transport.h"))
ffibuilder.set_source(
    "amdgpu_hw.mock.transport._transport",
    '#include "wire.h"\n#include "transport.h"\n',
    sources=[f"amdgpu_hw/mock/transport/{name}.c" for name in ("transport", "channel", "files")],
    depends=[f"amdgpu_hw/mock/transport/{name}.h" for name in ("wire", "relax", "transport", "private")],
    include_dirs=["amdgpu_hw/mock/transport"],
    extra_compile_args=["-std=gnu17", "-O2", "-Wall", "-Wextra"],
)
