# SPDX-License-Identifier: MIT
"""What to do about a node that may not be opened follows from its mode, its owner, its group, and who we are."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from types import SimpleNamespace

import pytest

from amdgpu_hw.node_permission import permission_advice

ME, RENDER, VIDEO, NAMELESS = 1000, 105, 44, 4321
GROUPS = {0: ("root", []), RENDER: ("render", []), VIDEO: ("video", ["me"])}


@pytest.fixture(autouse=True)
def me(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user in no group of interest, on a machine with a few of them."""

    def group(gid: int) -> SimpleNamespace:
        name, members = GROUPS[gid]
        return SimpleNamespace(gr_name=name, gr_mem=members)

    users = {0: "root", ME: "me"}
    monkeypatch.setattr(os, "geteuid", lambda: ME)
    monkeypatch.setattr(os, "getegid", lambda: ME)
    monkeypatch.setattr(os, "getgroups", lambda: [ME])
    monkeypatch.setattr(grp, "getgrgid", group)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name=users[uid]))


def advice(monkeypatch: pytest.MonkeyPatch, uid: int, gid: int, mode: int, number: int = errno.EACCES) -> str:
    """What is said about a node with these."""
    status = SimpleNamespace(st_uid=uid, st_gid=gid, st_mode=stat.S_IFCHR | mode)
    monkeypatch.setattr(os, "stat", lambda _path: status)
    return permission_advice("/dev/dri/renderD128", number)


@pytest.mark.parametrize(
    ("uid", "gid", "mode", "says", "says_not"),
    [
        (0, RENDER, 0o660, "join the group render with 'sudo usermod -aG render me' and log in again", "chgrp"),
        (0, 0, 0o600, "its group may not, so joining it would not help: as root 'chgrp render", "usermod"),
        (0, VIDEO, 0o600, "its group may not, so joining it would not help: as root 'chgrp render", "usermod"),
        (0, RENDER, 0o640, "its group may not", "usermod"),
        (0, 0, 0o660, "nobody should join its group, root's: as root 'chgrp render", "usermod"),
        (
            0,
            NAMELESS,
            0o660,
            "its group 4321 has no name here, as in a container: start that with --group-add 4321",
            "joi",
        ),
        (0, VIDEO, 0o660, "you are in the group video, but this login began before: log in again", "usermod"),
        (ME, RENDER, 0o060, "you own it, and its mode keeps you out: 'chmod u+rw /dev/dri/renderD128'", "usermod"),
        (ME, RENDER, 0o660, "you own it and its mode allows it, so a security module forbids it", "usermod"),
        (0, RENDER, 0o666, "", "chgrp"),
        (0, ME, 0o660, "you are in its group, which its mode allows, so an access list", "usermod"),
    ],
)
def test_advice_follows_from_mode_and_owner(
    monkeypatch: pytest.MonkeyPatch, uid: int, gid: int, mode: int, says: str, says_not: str
) -> None:
    """Nothing is advised that would not help, and nobody is sent into root's group."""
    told = advice(monkeypatch, uid, gid, mode)
    assert says in told
    assert says_not not in told.partition(": ")[2]
    assert stat.filemode(stat.S_IFCHR | mode) in told


def test_a_containers_device_rules_are_told_from_the_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """They answer EPERM, and root is refused by nothing else."""
    assert "a container's device rules" in advice(monkeypatch, 0, RENDER, 0o660, errno.EPERM)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "a container's device rules" in advice(monkeypatch, 0, RENDER, 0o660)


def test_a_node_that_cannot_be_looked_at_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a directory above it then."""

    def refuse(_path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    assert "look at the directories above it" in permission_advice("/dev/dri/renderD128", errno.EACCES)
