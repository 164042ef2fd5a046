# SPDX-License-Identifier: MIT
"""Who else has the GPU open, as /proc/PID/fdinfo tells it: the desktop's compositor, a browser, another test."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ("COMPOSITORS", "GpuClient", "all_visible", "gpu_clients")

_NODES = "/dev/dri/"
_FIELD = re.compile(r"^drm-([\w-]+):\s*(.*?)\s*$", re.MULTILINE)

COMPOSITORS = frozenset(
    ("Hyprland", "Xorg", "Xwayland", "cinnamon", "cosmic-comp", "gamescope", "gnome-shell", "kwin_wayland", "kwin_x11")
) | {"labwc", "muffin", "mutter", "niri", "river", "sway", "wayfire", "weston", "xfwm4"}
"""Programs that draw the desktop, as /proc/PID/comm has them (cut at 15 characters)."""


@dataclass(frozen=True, slots=True)
class GpuClient:
    """One open file of a process on the GPU."""

    pid: int
    name: str
    client: str
    """drm-client-id; the same for all descriptors of one open file."""
    node: str
    fdinfo: str

    @property
    def is_compositor(self) -> bool:
        """Whether it draws the desktop."""
        return self.name in COMPOSITORS

    def to_json(self) -> dict[str, Any]:
        """The form it has in a result file."""
        return {"pid": self.pid, "name": self.name, "node": self.node, "compositor": self.is_compositor}


def gpu_clients(pci_address: str) -> list[GpuClient]:
    """The open files on a GPU of all processes that this user may look into: root sees everybody's.

    A process that ends meanwhile is left out.
    """
    found: dict[tuple[int, str], GpuClient] = {}
    for directory in _processes():
        pid = int(directory.name)
        with contextlib.suppress(OSError):
            name = (directory / "comm").read_text(encoding="utf-8", errors="replace").strip()
            for fd in _drm_descriptors(directory):
                text = (directory / "fdinfo" / fd).read_text(encoding="utf-8", errors="replace")
                fields = dict(_FIELD.findall(text))
                if fields.get("pdev") == pci_address:
                    client = fields.get("client-id", "")
                    node = os.readlink(directory / "fd" / fd)
                    found.setdefault((pid, client), GpuClient(pid, name, client, node, text))
    return list(found.values())


def all_visible() -> bool:
    """Whether every process can be looked into, so that nobody else than `gpu_clients` has the GPU open."""
    return os.geteuid() == 0


def _processes() -> Iterator[Path]:
    return (directory for directory in Path("/proc").iterdir() if directory.name.isdigit())


def _drm_descriptors(directory: Path) -> Iterator[str]:
    """Numbers of descriptors that lead to a DRM node."""
    for entry in os.listdir(directory / "fd"):
        with contextlib.suppress(OSError):
            if os.readlink(directory / "fd" / entry).startswith(_NODES):
                yield entry
