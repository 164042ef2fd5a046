# SPDX-License-Identifier: MIT
"""Uevents to the udev monitors of a mock machine.

umockdev's preload library turns a program's udev monitor into a Unix socket ``event<fd>`` in the testbed's root.
libumockdev can send there only from a process that runs on the testbed itself, and aborts when a socket is full;
a client must not be able to bring the mock kernel down like that, therefore the messages are made here. Their
format is that of systemd's libsystemd/sd-device/device-monitor.c.
"""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

__all__ = ("send_uevent",)

_HEADER = struct.Struct("=8sIIIIIIII")
_MAGIC = 0xFEEDCAFE
_MASK = 0xFFFFFFFF

_seqnum = itertools.count(1)


def send_uevent(root: Path, syspath: str, action: str, properties: Mapping[str, str] | None = None) -> int:
    """Tell every monitor of the testbed at ``root`` what happened to the device at ``syspath`` (``/sys/devices/...``).

    ``properties`` are those of this event alone (``WEDGED=...``). Returns how many monitors got it; one whose
    socket is full loses it, as a netlink socket does.
    """
    device = Path(f"{root}{syspath}")
    values = {
        "ACTION": action,
        "DEVPATH": syspath.removeprefix("/sys"),
        "SUBSYSTEM": (device / "subsystem").readlink().name,
        "SEQNUM": str(next(_seqnum)),
    }
    for line in (device / "uevent").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        values[name] = f"/dev/{value}" if name == "DEVNAME" and not value.startswith("/") else value
    values.update(properties or {})
    message = _message(values)
    return sum(_send(path, message) for path in sorted(root.glob("event*")))


def _message(values: Mapping[str, str]) -> bytes:
    text = b"".join(f"{name}={value}\0".encode() for name, value in values.items())
    header = _HEADER.pack(
        b"libudev\0",
        socket.htonl(_MAGIC),
        _HEADER.size,
        _HEADER.size,
        len(text),
        socket.htonl(_murmur2(values["SUBSYSTEM"].encode())),
        socket.htonl(_murmur2(values["DEVTYPE"].encode())) if "DEVTYPE" in values else 0,
        0,
        0,
    )
    return header + text


def _send(path: Path, message: bytes) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        try:
            sender.sendto(message, str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)  # the monitor is gone
            return False
        except OSError:
            return False
    return True


def _murmur2(text: bytes) -> int:
    """MurmurHash2 with seed 0 (public domain, Austin Appleby): what monitors compare their filters with."""
    multiplier = 0x5BD1E995
    value = len(text)
    whole = len(text) // 4 * 4
    for (word,) in struct.iter_unpack("<I", text[:whole]):
        mixed = word * multiplier & _MASK
        mixed = (mixed ^ mixed >> 24) * multiplier & _MASK
        value = (value * multiplier & _MASK) ^ mixed
    if whole < len(text):
        value = (value ^ int.from_bytes(text[whole:], "little")) * multiplier & _MASK
    value = (value ^ value >> 13) * multiplier & _MASK
    return value ^ value >> 15
