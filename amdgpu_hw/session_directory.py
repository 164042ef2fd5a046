# SPDX-License-Identifier: MIT
"""Directories of machines: private, and removed by the next start where SIGKILL kept the owner from doing it.

Each has a file that its owner holds a lock on (flock), which the kernel lets go with the process, however that ends.
A directory whose lock can be had belongs to nobody any more. The file names the kernel that runs here (its boot ID): a
guest machine may see this one's directories, but not its locks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ("SessionDirectory", "sweep")

_PREFIX = "amdgpu-hw-"
_NAME = re.compile(re.escape(_PREFIX) + r"[a-z0-9_]{8}")
"""What mkdtemp makes of it; other directories of the project are named otherwise."""
_LOCK = "owner"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SessionDirectory:
    """A new directory below ``parent``, by default where temporary files go; only this user can enter it.

    A context manager, or to be closed. Raises `OSError` where none can be made.
    """

    def __init__(self, parent: str | None = None) -> None:
        where = Path(tempfile.gettempdir() if parent is None else parent)
        sweep(where)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=where))
            # Until it is locked, another start may take the directory for one that was left.
            lock = _locked(self.path, os.O_CREAT)
            if lock is not None:
                self._lock = lock
                break
        os.write(self._lock, _BOOT_ID.read_bytes())

    def close(self) -> None:
        """Remove it; harmless when it is gone."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_exc: object) -> None:
        self.close()


def sweep(parent: Path) -> list[Path]:
    """Remove what dead owners left below a directory; returns what that was."""
    gone = []
    for directory in _ours(parent):
        # One that was made and not locked is empty.
        with contextlib.suppress(OSError):
            directory.rmdir()
            gone.append(directory)
            continue
        lock = _locked(directory)
        if lock is None:
            continue
        try:
            if os.pread(lock, 100, 0) == _BOOT_ID.read_bytes():
                shutil.rmtree(directory, ignore_errors=True)
                gone.append(directory)
        finally:
            os.close(lock)
    return gone


def _ours(parent: Path) -> Iterator[Path]:
    try:
        entries = list(os.scandir(parent))
    except OSError:
        return
    for entry in entries:
        if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_uid == os.getuid():
                    yield Path(entry.path)


def _locked(directory: Path, flags: int = 0) -> int | None:
    """Return a descriptor of the directory's file, locked; None if somebody else has it or it is not there."""
    try:
        fd = os.open(directory / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    except OSError:
        if flags & os.O_CREAT and directory.is_dir():
            raise
        return None
    with contextlib.suppress(BlockingIOError):  # somebody else has it
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_nlink:
            return fd
    os.close(fd)
    return None
