# SPDX-License-Identifier: MIT
"""Why this user may not open a device node, and what would change that: by its mode bits, owner and group."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat

__all__ = ("permission_advice",)

_READ_WRITE = 0o6
_GROUP_OF_NODES = "render"


def permission_advice(path: str, error: int) -> str:
    """One sentence on a node that could not be opened for reading and writing, with the errno of that."""
    try:
        status = os.stat(path)
    except OSError as failure:
        return f"no permission to open {path}, nor to look at it ({failure.strerror}): look at the directories above it"
    owner, group = _user(status.st_uid), _group(status.st_gid)
    whose = f"{owner or status.st_uid}:{group or status.st_gid}, {stat.filemode(status.st_mode)}"
    return f"no permission to open {path} ({whose}): {_advice(path, status, error)}"


def _advice(path: str, status: os.stat_result, error: int) -> str:
    mode = status.st_mode
    if error == errno.EPERM or os.geteuid() == 0:
        return "the mode does not forbid it, so a container's device rules or a security module do (docker: --device)"
    if os.geteuid() == status.st_uid:
        if _may(mode >> 6):
            return "you own it and its mode allows it, so a security module forbids it"
        return f"you own it, and its mode keeps you out: 'chmod u+rw {path}'"
    member = status.st_gid in {*os.getgroups(), os.getegid()}
    if member and _may(mode >> 3):
        return "you are in its group, which its mode allows, so an access list or a security module forbids it"
    if not member and not _may(mode >> 3) and _may(mode):
        return "its mode allows it to everybody, so an access list or a security module forbids it"
    if member or not _may(mode >> 3):
        return (
            f"its group may not, so joining it would not help: as root 'chgrp {_GROUP_OF_NODES} {path} && "
            f"chmod g+rw {path}', or a udev rule that does so"
        )
    return _join(path, status.st_gid)


def _join(path: str, gid: int) -> str:
    """How to get into a group that may open the node."""
    name, user = _group(gid), _user(os.geteuid()) or "$USER"
    if gid == 0:
        return (
            f"nobody should join its group, root's: as root 'chgrp {_GROUP_OF_NODES} {path}', or a udev rule that does "
            "so"
        )
    if name is None:
        return f"its group {gid} has no name here, as in a container: start that with --group-add {gid}"
    if user in grp.getgrgid(gid).gr_mem:
        return f"you are in the group {name}, but this login began before: log in again, or 'newgrp {name}'"
    return f"join the group {name} with 'sudo usermod -aG {name} {user}' and log in again"


def _may(bits: int) -> bool:
    return bits & _READ_WRITE == _READ_WRITE


def _user(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def _group(gid: int) -> str | None:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None
