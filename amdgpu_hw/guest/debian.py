# SPDX-License-Identifier: MIT
"""Packages from Debian's archive, without root and without touching this system's package management.

apt fetches them, with lists and state in our own cache and Debian's own keys: it verifies the archive's signature and
each package's checksum. They are unpacked, never installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.places import cache

__all__ = ("Archive", "Download")

MIRROR = "http://deb.debian.org/debian"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITES = ("bookworm", "trixie", "trixie-backports")

_TIMEOUT_S = 1800
_URI = re.compile(r"'(?P<uri>[^']+)' (?P<file>\S+\.deb) (?P<size>\d+)")


@dataclass(frozen=True, slots=True)
class Download:
    """A package that would be fetched."""

    file: str
    size: int


class Archive:
    """Debian's archive as we see it: these suites, and a system on which nothing is installed.

    ``directory``: where lists and packages are kept; whoever has one to himself may remove it when he is done.
    """

    def __init__(self, suites: Sequence[str] = SUITES, mirror: str = MIRROR, directory: Path | None = None) -> None:
        self._suites = suites
        self._mirror = mirror
        self._directory = directory or cache("apt")

    @property
    def packages(self) -> Path:
        """Where fetched packages are."""
        return self._directory / "cache" / "archives"

    def update(self) -> None:
        """Read the lists of packages; raises `HarnessError`."""
        if shutil.which("apt-get") is None:
            raise HarnessError(
                "apt-get is not here: only a Debian or a system made from it can fetch Debian's packages"
            )
        if not KEYRING.is_file():
            raise HarnessError(f"Debian's keys are not here ({KEYRING}): install the package debian-archive-keyring")
        for folder in ("lists/partial", "cache/archives/partial", "preferences"):
            (self._directory / folder).mkdir(parents=True, exist_ok=True)
        (self._directory / "status").write_bytes(b"")
        lines = [f"deb [arch=amd64 signed-by={KEYRING}] {self._mirror} {suite} main\n" for suite in self._suites]
        (self._directory / "sources.list").write_text("".join(lines))
        self._apt("update", "-qq")

    def newest(self, pattern: str) -> str | None:
        """The last version's name of packages whose whole name matches."""
        answer = self._run("apt-cache", ["pkgnames"])
        names = [name for name in answer.split() if re.fullmatch(pattern, name)]
        return max(names, key=lambda name: [int(number) for number in re.findall(r"\d+", name)], default=None)

    def needs(self, names: Sequence[str], suite: str, alone: bool = False) -> list[Download]:
        """What has to be fetched for these packages and, unless they are wanted ``alone``, what they depend on."""
        text = self._apt(*self._verb(alone), "--print-uris", "-t", suite, *names)
        return [Download(found["file"], int(found["size"])) for found in _URI.finditer(text)]

    def fetch(self, names: Sequence[str], suite: str, directory: Path, alone: bool = False) -> list[Path]:
        """Fetch them into a directory; the packages that are there then."""
        directory.mkdir(parents=True, exist_ok=True)
        files = [directory / download.file for download in self.needs(names, suite, alone)]
        if alone:
            self._apt(*self._verb(alone), "-t", suite, *names, directory=directory)
        else:
            self._apt(*self._verb(alone), "-o", f"Dir::Cache::archives={directory}", "-t", suite, *names)
        return [file for file in files if file.is_file()]

    @staticmethod
    def _verb(alone: bool) -> list[str]:
        return ["download"] if alone else ["install", "--yes", "--download-only", "--no-install-recommends"]

    def _apt(self, *arguments: str, directory: Path | None = None) -> str:
        return self._run("apt-get", arguments, directory)

    def _run(self, program: str, arguments: Sequence[str], directory: Path | None = None) -> str:
        base = self._directory
        settings = {
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Dir::Cache": base / "cache",
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": base / "preferences",
            "Dir::Etc::sourcelist": base / "sources.list",
            "Dir::Etc::sourceparts": base / "preferences",
            "Dir::State": base,
            "Dir::State::lists": base / "lists",
            "Dir::State::status": base / "status",
        }
        words = [program, *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]
        try:
            done = subprocess.run(
                [*words, *arguments], capture_output=True, text=True, check=False, timeout=_TIMEOUT_S, cwd=directory
            )
        except subprocess.TimeoutExpired:
            raise HarnessError(f"{program} {arguments[0]} did not end within {_TIMEOUT_S} s") from None
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()
            raise HarnessError(f"{program} {arguments[0]} failed: {lines[-1] if lines else 'it does not say why'}")
        return done.stdout
