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
    target = path.resolve()
    if target.exists() and not target.is_file():
        target.write_bytes(content)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
