# SPDX-License-Identifier: MIT
"""Takes an archive from a box apart: plain files below one directory and nothing else, whatever the box has packed."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path, PurePosixPath

from amdgpu_hw.fleet.box import BoxFailed

__all__ = ("unpack",)


def unpack(archive: Path, directory: Path) -> None:
    """Put the archive's files into a directory; links and names that lead elsewhere are left out.

    Raises `BoxFailed` where it is damaged.
    """
    try:
        with tarfile.open(archive) as packed:
            for member in packed:
                parts = PurePosixPath(member.name).parts
                content = packed.extractfile(member) if member.isfile() else None
                if content is None or not parts or parts[0] == "/" or ".." in parts:
                    continue
                path = directory.joinpath(*parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError) as error:
        raise BoxFailed(f"what it left could not be unpacked: {error}") from None
