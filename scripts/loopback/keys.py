# SPDX-License-Identifier: MIT
"""Keys of this fleet alone: one for the boxes to be known by, one to be let in with."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ("Keys", "make_keys")


@dataclass(frozen=True, slots=True)
class Keys:
    """Files: the host key, the client's key, the authorized keys, and the known hosts to be written."""

    host: Path
    client: Path
    authorized: Path
    known_hosts: Path


def make_keys(directory: Path) -> Keys:
    """Make them, readable by this user alone."""
    keys = Keys(directory / "host_key", directory / "client_key", directory / "authorized_keys", directory / "known")
    for key in (keys.host, keys.client):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "amdgpu_hw", "-f", key], check=True)
    keys.authorized.write_text(keys.client.with_suffix(".pub").read_text())
    keys.authorized.chmod(0o600)
    keys.known_hosts.touch()
    return keys


def trust(keys: Keys, port: int) -> None:
    """Know the host key of a box on this port, so that a connection to anything else fails."""
    kind, key = keys.host.with_suffix(".pub").read_text().split()[:2]
    with keys.known_hosts.open("a") as file:
        file.write(f"[127.0.0.1]:{port} {kind} {key}\n")
