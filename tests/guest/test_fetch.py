# SPDX-License-Identifier: MIT
"""Set-up for guest machines: what is missing is fetched with apt's own verification, and only that."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest import debian, fetch
from amdgpu_hw.guest.kernels import fetched_kernels
from amdgpu_hw.guest.places import cache
from tests.guest.modules_of_c import compile_module

RELEASE = "6.1.0-50-amd64"

APT = """\
#!/bin/sh
# Stands in for apt-get and apt-cache: answers from files, and notes how it was called.
printf '%s\\n' "$0 $*" >>"{log}"
case " $* " in
*" pkgnames "*) printf '%s\\n' linux-image-6.1.0-9-amd64 linux-image-{release} linux-image-{release}-dbg other ;;
*" --print-uris "*) echo "'http://deb.example/x_1_amd64.deb' linux-image-{release}_1_amd64.deb 1000000 SHA256:0" ;;
*" download "*) cp "{package}" . ;;
*" update "*) {update} ;;
esac
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own for each test."""
    monkeypatch.setenv("AMDGPU_HW_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def kernel_package(tmp_path: Path) -> Path:
    """A package with a kernel of Debian's layout, and the modules that a guest loads."""
    root = tmp_path / "package"
    modules = root / "lib/modules" / RELEASE
    for name in ("overlay", "vgem", "amdgpu"):
        compile_module(modules / f"kernel/{name}.ko", release=RELEASE)
    (modules / "modules.order").touch()
    image = bytearray(0x1000)
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x20E, 0x300)
    (root / "boot").mkdir()
    (root / f"boot/vmlinuz-{RELEASE}").write_bytes(image)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        f"Package: linux-image-{RELEASE}\nVersion: 1\nArchitecture: amd64\nMaintainer: T <t@example.org>\n"
        "Description: test\n"
    )
    package = tmp_path / f"linux-image-{RELEASE}_1_amd64.deb"
    subprocess.run(["dpkg-deb", "-Znone", "-b", root, package], check=True, capture_output=True)
    return package


def stand_in(directory: Path, monkeypatch: pytest.MonkeyPatch, package: Path, update: str = ":") -> Path:
    """Programs in the place of apt's; returns the file in which they note their calls."""
    log = directory / "apt.log"
    programs = directory / "bin"
    programs.mkdir()
    for name in ("apt-get", "apt-cache"):
        (programs / name).write_text(APT.format(log=log, release=RELEASE, package=package, update=update))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(debian, "KEYRING", directory)
    keyring = directory / "keyring.gpg"
    keyring.touch()
    monkeypatch.setattr(debian, "KEYRING", keyring)
    monkeypatch.setattr(fetch, "_have_tools", lambda: True)
    return log


def test_the_last_kernel_of_a_series_is_fetched_and_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told before it is done, unpacked, its modules ready; the second time nothing happens at all."""
    log = stand_in(tmp_path, monkeypatch, kernel_package)
    fetch.fetch(["6.1"])
    said = capsys.readouterr().err
    assert f"fetching Linux {RELEASE}: 1 MB" in said
    assert [kernel.release for kernel in fetched_kernels()] == [RELEASE]
    assert {path.name.partition("-")[0] for path in cache("prepared").iterdir()} == {
        "overlay",
        "vgem",
        "amdgpu",
        "vmlinux",
    }
    assert not cache("apt").exists()
    calls = log.read_text()
    fetch.fetch(["6.1"])
    assert (log.read_text(), capsys.readouterr().err) == (calls, "")


def test_apt_verifies_and_this_systems_lists_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_package: Path
) -> None:
    """Debian's keys, our own lists and state; nothing that would switch verification off."""
    log = stand_in(tmp_path, monkeypatch, kernel_package, update=f"cp {cache('apt')}/sources.list {tmp_path}/seen")
    fetch.fetch(["6.1"])
    lines = (tmp_path / "seen").read_text().splitlines()
    assert len(lines) == len(debian.SUITES)
    assert all(f"signed-by={tmp_path}/keyring.gpg]" in line for line in lines)
    calls = log.read_text()
    assert f"Dir::State::lists={cache('apt')}/lists" in calls
    assert f"Dir::State::status={cache('apt')}/status" in calls
    for word in ("allow-unauthenticated", "trusted=yes", "AllowInsecure"):
        assert word.lower() not in (calls + "".join(lines)).lower()


def test_what_apt_says_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_package: Path
) -> None:
    """E.g. without a network; and nothing is left that looks like a kernel."""
    stand_in(tmp_path, monkeypatch, kernel_package, update="echo 'E: Could not resolve host' >&2; exit 100")
    with pytest.raises(HarnessError, match="apt-get update failed: E: Could not resolve host"):
        fetch.fetch(["6.1"])
    assert fetched_kernels() == []


def test_without_debians_keys_nothing_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_package: Path
) -> None:
    """Rather than without verification."""
    stand_in(tmp_path, monkeypatch, kernel_package)
    monkeypatch.setattr(debian, "KEYRING", tmp_path / "none.gpg")
    with pytest.raises(HarnessError, match="debian-archive-keyring"):
        fetch.fetch(["6.1"])


def test_an_unknown_series_is_refused(tmp_path: Path) -> None:
    """Before anything is done."""
    with pytest.raises(HarnessError, match=r"no stock kernel is known as 5\.10"):
        fetch.fetch(["5.10"])
