# SPDX-License-Identifier: MIT
"""What a guest sees of this machine, and the little that it can change."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.shares import shared_directories, start_share
from amdgpu_hw.guest.tools import find_tools
from tests.guest.machine.requirements import why_not

IN_PODMAN = (
    "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+net_bind_service,+setfcap,+setgid,+setpcap,+setuid,+sys_chroot"
)
"""What root has in a container that is given no more (containers.conf(5), default_capabilities)."""


def test_the_root_is_read_only_and_the_working_directory_is_not(tmp_path: Path) -> None:
    """The only directory that is shared for writing by default."""
    root, *others = shared_directories(tmp_path, [])
    assert (root.directory, root.writable) == (Path("/"), False)
    assert [(share.directory, share.writable) for share in others] == [(tmp_path, True)]


def test_what_lies_in_a_shared_directory_is_not_shared_again(tmp_path: Path) -> None:
    """Whichever comes first; a directory with a longer name is not in it."""
    for name in ("a/b", "ab"):
        (tmp_path / name).mkdir(parents=True)
    shares = shared_directories(tmp_path / "a/b", [tmp_path / "a", tmp_path / "ab", tmp_path / "a"])
    assert [share.directory for share in shares[1:]] == [tmp_path / "a", tmp_path / "ab"]
    assert len({share.tag for share in shares}) == 3


def test_nobody_shares_the_whole_machine_for_writing(tmp_path: Path) -> None:
    """Not by being in / when starting it, nor through a link."""
    (tmp_path / "link").symlink_to("/")
    for directory in (Path("/"), tmp_path / "link"):
        with pytest.raises(HarnessError, match="every file of this machine"):
            shared_directories(directory, [])


def test_a_directory_that_is_none_is_told_in_a_sentence(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(HarnessError, match="nowhere cannot be shared"):
        shared_directories(tmp_path, [tmp_path / "nowhere"])


def test_too_low_a_limit_of_open_files_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the guest dies of ENFILE in the middle of its boot, as it does in a container with 1024."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    with pytest.raises(HarnessError, match="may open 1024 files here, and a guest's files need 8192"):
        shared_directories(tmp_path, [])
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, resource.RLIM_INFINITY))
    assert shared_directories(tmp_path, [])


def test_the_daemon_itself_refuses_changes_of_the_root(tmp_path: Path) -> None:
    """Mounting it read-only in the guest would be the guest's word."""
    root, work = shared_directories(tmp_path, [])
    commands = {}
    for share in (root, work):
        session = tmp_path / share.tag
        session.mkdir()
        child = start_share(["/bin/echo"], share, session)
        assert child.wait(5)
        commands[share.tag] = child.log.read_text().split()
        child.end()
    assert "--readonly" in commands[root.tag]
    assert "--readonly" not in commands[work.tag]
    assert commands[work.tag][commands[work.tag].index("--shared-dir") + 1] == str(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to lack")
@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.parametrize("left", ["+all", "+all,-mknod", IN_PODMAN], ids=["everything", "no mknod", "Podman"])
def test_the_daemon_starts_with_what_a_containers_root_may_do(tmp_path: Path, left: str) -> None:
    """It would keep eight capabilities, and Podman's containers have seven of them."""
    program = (
        "import sys; from pathlib import Path; from amdgpu_hw.guest.shares import shared_directories, start_share\n"
        "place = Path(sys.argv[1])\n"
        "for share in shared_directories(place, []):\n"
        "    child = start_share(sys.argv[2:], share, place)\n"
        "    ended = child.wait(1)  # what it may not do ends it after its socket is there\n"
        "    listens = share.socket(place).exists()\n"
        "    child.end()\n"
        "    sys.exit(f'{share}: {child.log.read_text()}') if ended or not listens else None\n"
    )
    setpriv = ["setpriv", "--inh-caps=-all", f"--bounding-set={left}"]
    result = subprocess.run(
        [*setpriv, sys.executable, "-c", program, str(tmp_path), *find_tools().virtiofsd],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
