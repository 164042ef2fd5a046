# SPDX-License-Identifier: MIT
"""What a client can learn about a mock file without using it: stat() and /proc/PID/fdinfo/N, and files of text."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

from amdgpu_hw.mock.kernel.file import File
from amdgpu_hw.mock.transport._transport import ffi, lib

__all__ = ("file_stat", "open_fdinfo", "read_only_file")

_DEBUGFS: str = ffi.string(lib.WIRE_DEBUGFS).decode()


def file_stat(file: File, ino: int, root: Path) -> Any:
    """What stat() answers (`struct file_stat`).

    ``ino`` is the inode of the client's end. A node that has a path agrees with stat() of it, which umockdev answers
    from the testbed's ``root``, but that debugfs is a file system of its own.
    """
    answer = file.stat()
    reply = ffi.new("struct file_stat *")
    reply.mode, reply.size = answer.mode, answer.size
    reply.rdev_major, reply.rdev_minor = answer.rdev_major, answer.rdev_minor
    reply.ino, reply.nlink, reply.uid, reply.gid = ino, 1, os.getuid(), os.getgid()
    if answer.path is None:
        return reply
    try:
        node = os.stat(f"{root}{answer.path}")
    except OSError:
        return reply  # unplugged: only the descriptor is left, as on a real machine
    in_debugfs = answer.path.startswith(f"{_DEBUGFS}/")
    reply.dev = lib.WIRE_DEBUGFS_DEV if in_debugfs else node.st_dev
    reply.ino, reply.nlink = node.st_ino, node.st_nlink
    reply.uid, reply.gid = node.st_uid, node.st_gid
    reply.mode = stat.S_IFMT(answer.mode) | stat.S_IMODE(node.st_mode)
    return reply


def open_fdinfo(file: File, host: bytes, ino: int, root: Path) -> int:
    """Return a descriptor to read a file's fdinfo from: the host's lines with our inode, then those of the file."""
    lines = re.sub(rb"(?m)^ino:.*$", b"ino:\t%d" % file_stat(file, ino, root).ino, host)
    return read_only_file("fdinfo", lines + file.show_fdinfo().encode())


def read_only_file(name: str, content: bytes) -> int:
    """Return the descriptor of a new file that has this content and can only be read; raises OSError."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    try:
        os.write(fd, content)
        return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(fd)
