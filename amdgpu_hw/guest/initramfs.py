# SPDX-License-Identifier: MIT
"""The guest's first file system: busybox, the modules that the root file system needs, and a script.

It makes a root of three layers: this machine's files, read-only; a layer in the guest's memory that takes every change
and is gone with the guest; and the few directories that are really shared. Then our agent (`amdgpu_hw.guest.agent`)
is the guest's first process.
"""

from __future__ import annotations

import shlex
import stat
from collections.abc import Sequence
from pathlib import Path

from amdgpu_hw.errors import HarnessError

__all__ = ("STATE", "cpio", "first_file_system", "init_script")

STATE = "/run/amdgpu-hw"
"""Where the script leaves for the agent what it found."""

_ALIGN = 4
_DIRECTORY, _FILE, _LINK = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755, stat.S_IFLNK | 0o777
_MAKE_LINKS = ("insmod", "mkdir", "mount", "poweroff", "sh", "switch_root")


def cpio(entries: Sequence[tuple[str, int, bytes]]) -> bytes:
    """An archive in the form that the kernel unpacks (newc): names, modes and contents, directories first."""
    archive = bytearray()
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        # Fields: inode, mode, uid, gid, links, mtime, size, device and its target (major, minor each), name, check.
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        archive += bytes(-len(archive) % _ALIGN) + content
        archive += bytes(-len(archive) % _ALIGN)
    return bytes(archive)


def first_file_system(busybox: Path, early: Sequence[Path], script: str) -> bytes:
    """The archive: ``early`` are modules, loaded in this order before anything is mounted."""
    try:
        program = busybox.read_bytes()
        modules = [(f"modules/{number:02}-{path.name}", _FILE, path.read_bytes()) for number, path in enumerate(early)]
    except OSError as error:
        raise HarnessError(f"the guest's first file system cannot be made: {error}") from None
    folders = [(name, _DIRECTORY, b"") for name in ("bin", "dev", "lower", "modules", "proc", "root", "sys", "top")]
    links = [(f"bin/{name}", _LINK, b"busybox") for name in _MAKE_LINKS]
    files = [("bin/busybox", _FILE, program), ("init", _FILE, script.encode())]
    return cpio([*folders, *files, *links, *modules])


_INIT = """\
#!/bin/sh
# Made by amdgpu_hw for one session.
export PATH=/bin
fail() {{ echo "amdgpu-hw: $1" >/dev/console; poweroff -f; }}
mount -t devtmpfs dev /dev && mount -t proc proc /proc && mount -t sysfs sys /sys || fail "no /dev, /proc, /sys"
exec </dev/console >/dev/console 2>&1
for module in /modules/*; do
    [ -e "$module" ] && {{ insmod "$module" || fail "the module $module was refused"; }}
done
mount -t virtiofs -o ro root /lower || fail "the root file system cannot be mounted (virtiofs)"
mount -t tmpfs -o mode=755 top /top && mkdir /top/up /top/work || fail "no tmpfs"
mount -t overlay -o lowerdir=/lower,upperdir=/top/up,workdir=/top/work root /root || fail "no overlay file system"
{shares}
for each in dev proc sys; do mount --move /$each /root/$each || fail "/$each cannot be moved"; done
mount -t tmpfs -o mode=755 run /root/run
mkdir -p /root{state} /root/dev/shm /root/dev/pts
mount -t tmpfs -o mode=1777 shm /root/dev/shm
mount -t devpts -o mode=620,ptmxmode=666 pts /root/dev/pts
mount -t debugfs debug /root/sys/kernel/debug
mount -t tracefs trace /root/sys/kernel/tracing
# Debian's 6.1 takes no GPU where there is no such directory, whatever the firmware's path is.
mkdir -p /root/lib/firmware/amdgpu
{modules}
exec switch_root /root {agent} || fail "the agent cannot be started"
"""

_SHARE = """\
mkdir -p /root{path} && mount -t virtiofs {tag} /root{path} || fail "the shared directory {number} cannot be mounted"
"""

_MODULES_DIRECTORY = """\
mkdir -p /root/lib/modules/{release} && mount -o bind /root{path} /root/lib/modules/{release}
"""


def init_script(
    shares: Sequence[tuple[str, str]], agent: Sequence[str], release: str = "", modules: Path | None = None
) -> str:
    """The script. ``shares`` are pairs of a virtiofs tag and the directory where it belongs.

    ``modules`` is shown as /lib/modules/``release``, for what asks modprobe.
    """
    mounts = [
        _SHARE.format(path=shlex.quote(path), tag=shlex.quote(tag), number=number)
        for number, (tag, path) in enumerate(shares)
    ]
    directory = ""
    if modules is not None and (modules / "modules.order").is_file():
        directory = _MODULES_DIRECTORY.format(release=shlex.quote(release), path=shlex.quote(str(modules)))
    return _INIT.format(shares="".join(mounts), state=STATE, modules=directory, agent=shlex.join(agent))
