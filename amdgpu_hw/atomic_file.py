# SPDX-License-Identifier: MIT
"""Files that are whole at every moment: written beside their name, flushed to the disk, renamed."""

from __future__ import annotations

import atexit
import contextlib
import errno
import itertools
import os
import stat
from pathlib import Path

from amdgpu_hw.errors import HarnessError

__all__ = ("claim_file", "forget_unwritten", "replace_file", "require_writable")

_claimed: list[Path] = []


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` where `path` is, making its directory; a crash or Ctrl-C leaves the old file or the new one.

    Symbolic links and what is no file (/dev/null) stay what they are. Raises OSError with nothing left behind.
    """
    # A run does this for each of its tests: the functions of os.path take a third of the time that Path takes.
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        Path(target).write_bytes(content)
        return
    directory, name = os.path.split(target)
    os.makedirs(directory, exist_ok=True)
    beside = os.path.join(directory, f".{name}.{os.getpid()}")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def claim_file(directory: Path, stem: str, suffix: str) -> Path:
    """A new, empty file that is ours alone, however many runs do the same at once: ``stem``, or ``stem-2`` and so on.

    If nothing has been written to it when the process ends it goes away again. Raises OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = directory / f"{stem}{f'-{number}' if number > 1 else ''}{suffix}"
        with contextlib.suppress(FileExistsError):
            path.open("xb").close()
            _claimed.append(path.resolve())
            return path
    raise AssertionError("there is no last number")


@atexit.register
def forget_unwritten() -> None:
    """Take away the claimed files that are still empty; for who ends the process so that Python does not come to it."""
    for path in _claimed:
        with contextlib.suppress(OSError):
            if path.stat().st_size == 0:
                path.unlink()


def _try_device(path: str) -> None:
    """Open what is no file, and find out whether it takes anything: a full device says so only then."""
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if stat.S_ISCHR(os.fstat(fd).st_mode) and not os.isatty(fd):
            os.write(fd, b"\n")  # white space before JSON means nothing
    finally:
        os.close(fd)


def require_writable(path: Path, what: str = "") -> None:
    """Raise `HarnessError` if a file could not be written there, before anything is done whose result it is to take.

    Makes nothing, and leaves an existing file as it is. ``what`` is to be there, for the message.
    """
    target = os.path.realpath(path)
    directory, name = os.path.split(target)
    try:
        if os.path.isdir(target):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if os.path.exists(target) and not os.path.isfile(target):
            _try_device(target)
            return
        while not os.path.lexists(directory):
            directory = os.path.dirname(directory)
        beside = os.path.join(directory, f".{name}.{os.getpid()}")
        with open(beside, "wb") as file:
            file.write(b"{}")  # opening alone succeeds on a full disk
            file.flush()
            os.fsync(file.fileno())
        os.unlink(beside)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise HarnessError(f"{what or path} could not be written: {why}") from None
