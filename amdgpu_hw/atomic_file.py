# SPDX-License-Identifier: MIT
"""Files that are whole at every moment: written beside their name, flushed to the disk, renamed."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
from pathlib import Path

__all__ = ("claim_file", "replace_file")


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
            atexit.register(_forget, path.resolve())
            return path
    raise AssertionError("there is no last number")


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.stat().st_size == 0:
            path.unlink()
