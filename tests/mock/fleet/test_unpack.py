# SPDX-License-Identifier: MIT
"""What a box has packed is put below one directory, whatever it is."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from amdgpu_hw.fleet.box import BoxFailed
from amdgpu_hw.fleet.unpack import unpack


def test_only_plain_files_below_the_directory_are_taken(tmp_path: Path) -> None:
    """No link, no device, no name that leads out of it."""
    archive, target = tmp_path / "a.tar.gz", tmp_path / "target"
    with tarfile.open(archive, "w:gz") as packed:
        for name in ("good", "deep/er/good", "../bad", "/bad", "a/../../bad"):
            member = tarfile.TarInfo(name)
            member.size = 1
            packed.addfile(member, io.BytesIO(b"x"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(link)
    target.mkdir()
    unpack(archive, target)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "a.tar.gz",
        "target/deep/er/good",
        "target/good",
    ]


def test_half_an_archive_is_one_sentence(tmp_path: Path) -> None:
    """The connection may have been lost."""
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(__file__, "x")
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(BoxFailed, match="could not be unpacked"):
        unpack(archive, tmp_path)
