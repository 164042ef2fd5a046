# SPDX-License-Identifier: MIT
"""Programs: the distribution's where they serve, ours where they are too old; what is missing is one sentence."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest import tools

QEMU = "#!/bin/sh\necho 'QEMU emulator version {} (Debian)'\n"
VIRTIOFSD = "#!/bin/sh\necho '  --readonly  --shared-dir'\n"


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory with all programs there are, and an empty cache."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("AMDGPU_HW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tools, "_VIRTIOFSD_PLACES", ())
    monkeypatch.setattr(shutil, "which", lambda name: str(programs / name) if (programs / name).is_file() else None)
    tools.qemu_version.cache_clear()
    yield programs
    tools.qemu_version.cache_clear()


def program(path: Path, content: str) -> Path:
    """Make a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)
    return path


def static(path: Path) -> Path:
    """A file that begins like a static executable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF" + bytes(100))
    return path


def test_the_distributions_programs_come_first(system: Path) -> None:
    """If they are new enough."""
    qemu = program(system / "qemu-system-x86_64", QEMU.format("10.1.0"))
    virtiofsd = program(system / "virtiofsd", VIRTIOFSD)
    busybox = static(system / "busybox")
    found = tools.find_tools()
    assert (found.qemu, found.virtiofsd, found.busybox) == ((str(qemu),), (str(virtiofsd),), busybox)
    assert found.qemu_version == "10.1.0"


def test_everything_that_is_missing_is_named_at_once(system: Path) -> None:
    """With what gets it."""
    with pytest.raises(
        HarnessError, match=r"QEMU 10\.1 or later, virtiofsd, a static busybox: run 'scripts/setup guest'"
    ):
        tools.find_tools()


@pytest.mark.parametrize("version", ["7.2.17", "10.0.5", "9.99.0"])
def test_a_qemu_that_is_too_old_is_none(system: Path, version: str) -> None:
    """10.0 knows vfio-user only as a server."""
    program(system / "qemu-system-x86_64", QEMU.format(version))
    program(system / "virtiofsd", VIRTIOFSD)
    static(system / "busybox")
    with pytest.raises(HarnessError, match=r"needs QEMU 10\.1 or later: run"):
        tools.find_tools()


def test_the_virtiofsd_of_old_is_none(system: Path) -> None:
    """QEMU 5 to 7 had one in C with other options."""
    program(system / "virtiofsd", "#!/bin/sh\necho '  -o source=PATH'\n")
    with pytest.raises(HarnessError, match="virtiofsd"):
        tools.find_tools()


def test_a_dynamic_busybox_is_none(system: Path) -> None:
    """There are no libraries in the first file system."""
    (system / "busybox").write_bytes(b"\x7fELF" + bytes(100) + b"/lib64/ld-linux-x86-64.so.2\0")
    with pytest.raises(HarnessError, match="a static busybox"):
        tools.find_tools()


def test_unpacked_programs_run_with_their_own_loader(system: Path, tmp_path: Path) -> None:
    """So they need neither root nor this system's libraries; QEMU finds its firmware."""
    root = tools.tools_root()
    loader = program(root / "usr/lib64/ld-linux-x86-64.so.2", '#!/bin/sh\nshift 2\nexec "$@"\n')
    program(root / "usr/bin/qemu-system-x86_64", QEMU.format("11.1.3"))
    program(root / "usr/libexec/virtiofsd", VIRTIOFSD)
    static(root / "usr/bin/busybox")
    found = tools.find_tools()
    assert found.qemu[:3] == (str(loader), "--library-path", str(root / "usr/lib/x86_64-linux-gnu"))
    assert str(root / "usr/share/seabios") in found.qemu
    assert found.virtiofsd[-1] == str(root / "usr/libexec/virtiofsd")
    assert root.is_relative_to(tmp_path / "cache")
