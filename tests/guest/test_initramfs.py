# SPDX-License-Identifier: MIT
"""The guest's first file system: an archive that other programs read, and a script that quotes what it is given."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.initramfs import cpio, first_file_system, init_script


@pytest.fixture
def busybox(tmp_path: Path) -> Path:
    """Stands in for the program."""
    (tmp_path / "busybox").write_bytes(b"\x7fELF program")
    return tmp_path / "busybox"


@pytest.mark.skipif(shutil.which("cpio") is None, reason="the program cpio is not installed")
def test_the_program_cpio_unpacks_the_archive(tmp_path: Path, busybox: Path) -> None:
    """Names, contents, modes and links, and the modules in their order."""
    modules = [tmp_path / "fuse.ko", tmp_path / "virtiofs.ko"]
    for module in modules:
        module.write_bytes(module.name.encode())
    archive = first_file_system(busybox, modules, "#!/bin/sh\n")
    target = tmp_path / "root"
    target.mkdir()
    subprocess.run(["cpio", "-idm", "--quiet"], input=archive, cwd=target, check=True)
    assert (target / "init").read_text() == "#!/bin/sh\n"
    assert (target / "init").stat().st_mode & 0o111 == 0o111
    assert (target / "bin/sh").resolve() == target / "bin/busybox"
    assert [path.name for path in sorted((target / "modules").iterdir())] == ["00-fuse.ko", "01-virtiofs.ko"]


def test_every_entry_is_aligned() -> None:
    """The kernel reads headers and contents at multiples of 4 (Documentation/driver-api/early-userspace)."""
    for length in range(9):
        archive = cpio([("n" * (length + 1), 0o100644, b"c" * length)])
        assert len(archive) % 4 == 0
        assert archive.count(b"070701") == 2
        assert archive.index(b"070701", 1) % 4 == 0


def test_a_missing_program_is_told_in_a_sentence(tmp_path: Path) -> None:
    """Set-up was interrupted, say."""
    with pytest.raises(HarnessError, match="first file system cannot be made"):
        first_file_system(tmp_path / "none", (), "")


def test_paths_of_any_spelling_are_quoted(tmp_path: Path) -> None:
    """A directory's name is no shell code; the script is one that a shell takes."""
    path = "/tmp/a b/$(touch x)'\"`"
    script = init_script([("share0", path)], ["/usr/bin/python3", "-c", "import sys; print('$HOME')"])
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0
    shown = script.replace("mkdir -p /root", "printf '%s\\n' ").splitlines()
    line = next(line for line in shown if "touch x" in line).partition(" && ")[0]
    said = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=tmp_path, check=True).stdout
    assert said == f"{path}\n"
    assert not (tmp_path / "x").exists()
