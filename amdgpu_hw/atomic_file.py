# SPDX-License-Identifier: MIT
"""Files that are whole at every moment: written beside their name, flushed to the disk, renamed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ("replace_file",)


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
