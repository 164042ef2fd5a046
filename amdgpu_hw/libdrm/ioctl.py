# SPDX-License-Identifier: MIT
"""Any ioctl that `amdgpu_hw.uapi` declares, through `drmIoctl`: for what the libraries have no call for."""

from __future__ import annotations

from typing import Any, TypeAlias

from amdgpu_hw.libdrm.calls import check_errno, ffi, lib
from amdgpu_hw.uapi.layout import Ioctl, Struct

__all__ = ("FieldValue", "ioctl")

FieldValue: TypeAlias = int | bytes | bytearray | memoryview


def ioctl(fd: int, request: Ioctl, /, *, out: Struct | None = None, **fields: FieldValue) -> dict[str, Any]:
    """Do one ioctl and return the struct as the kernel left it, field name -> int (bytes for arrays).

    ``fields`` are those of ``request.struct``; the rest is 0. A ``bytearray`` (or other buffer) given for an
    integer field passes its address, and stays alive and in place during the call. ``out`` names the struct of
    the reply where the kernel answers in another member of a union. Raises `DrmError`. EINTR and EAGAIN are
    retried by `drmIoctl` and never seen.
    """
    if request.struct is None:
        check_errno(lib.drmIoctl(fd, request.request, ffi.NULL), request.name)
        return {}
    integers = {field.name for field in request.struct.fields if field.count is None}
    values: dict[str, int | bytes] = {}
    keep_alive = []
    for name, value in fields.items():
        if name in integers and not isinstance(value, int):
            buffer = ffi.from_buffer(value)
            keep_alive.append(buffer)
            values[name] = int(ffi.cast("uintptr_t", buffer))
        else:
            values[name] = value if isinstance(value, int) else bytes(value)
    reply = out or request.struct
    argument = bytearray(max(request.size, reply.size))
    argument[: request.size] = request.struct.pack(**values)
    check_errno(lib.drmIoctl(fd, request.request, ffi.from_buffer(argument)), request.name, **fields)
    keep_alive.clear()
    return reply.as_dict(argument)
