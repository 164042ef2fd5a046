# SPDX-License-Identifier: MIT
"""Which of this machine's files a guest sees, and which it can change.

It sees all that the caller can read, read-only: the daemon itself refuses every change, so no kernel under test can
make one. What the guest writes there stays in its memory. The working directory, and what else is named, is shared
for writing by a daemon of its own that knows nothing above it.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.processes import Child

__all__ = ("Share", "shared_directories", "start_share")

ROOT_TAG = "root"

FEWEST_FILES = 8192
"""What virtiofsd may have to hold open: each file that the guest knows, about 2600 when some rows have run."""

_KEPT_BY_VIRTIOFSD = {
    "chown": 0,
    "dac_override": 1,
    "fowner": 3,
    "fsetid": 4,
    "setgid": 6,
    "setuid": 7,
    "mknod": 27,
    "setfcap": 31,
}
"""What it keeps as root, with the capability's number (capabilities(7), linux/capability.h)."""


@dataclass(frozen=True, slots=True)
class Share:
    """A directory of this machine that a guest sees."""

    tag: str
    directory: Path
    writable: bool

    def socket(self, session: Path) -> Path:
        """Where its daemon listens."""
        return session / f"{self.tag}.sock"


def shared_directories(working: Path, writable: Sequence[Path]) -> list[Share]:
    """The root, and the directories for writing: the outermost ones only, outer before inner.

    Raises `HarnessError` for a directory that cannot be shared, and where too few files may be open to share any.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < FEWEST_FILES:
        raise HarnessError(
            f"a process may open {most} files here, and a guest's files need {FEWEST_FILES}: raise the hard limit "
            f"(ulimit -Hn; --ulimit nofile={FEWEST_FILES} for a container)"
        )
    wanted: list[Path] = []
    for directory in sorted({path.resolve() for path in (working, *writable)}):
        if not directory.is_dir():
            raise HarnessError(f"{directory} cannot be shared with the guest: it is no directory")
        if directory == Path("/"):
            raise HarnessError(
                "the guest would be allowed to change every file of this machine: go to another working directory, "
                "or name another one to be shared"
            )
        if not any(directory.is_relative_to(other) for other in wanted):
            wanted.append(directory)
    shares = [Share(f"share{number}", directory, True) for number, directory in enumerate(wanted)]
    return [Share(ROOT_TAG, Path("/"), False), *shares]


def start_share(virtiofsd: Sequence[str], share: Share, session: Path) -> Child:
    """Start the daemon of a share; its socket appears when it listens."""
    command = [*virtiofsd, "--socket-path", str(share.socket(session)), "--shared-dir", str(share.directory)]
    # Changes by either side have to be seen by the other one; they are within a second.
    command += ["--log-level", "warn", "--no-announce-submounts", "--cache", "auto"]
    if not share.writable:
        command.append("--readonly")
    as_root = os.geteuid() == 0
    command += ["--sandbox", "chroot" if share.writable and as_root else "none"]
    if as_root and (lacking := _lacking_capabilities()):
        # A container's root has fewer, and to ask for one that is not permitted is EPERM (capset(2)).
        command.append("--modcaps=" + ":".join(f"-{name}" for name in lacking))
    return Child(f"virtiofsd for {share.directory}", command, session / f"{share.tag}.log")


def _lacking_capabilities() -> list[str]:
    """Those that virtiofsd would keep and this process is not permitted to have (CapPrm, proc_pid_status(5))."""
    status = Path("/proc/self/status").read_text()
    permitted = int(status.partition("CapPrm:")[2].split()[0], 16)
    return [name for name, number in _KEPT_BY_VIRTIOFSD.items() if not permitted >> number & 1]
