# SPDX-License-Identifier: MIT
"""What a result is a result of: the kernel as it was built and booted, the driver, the GPU, the libraries, the suite.

Everything is asked of the machine; what it does not tell is None, or left out.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from amdgpu_hw.errors import DrmError
from amdgpu_hw.evidence.clients import all_visible, gpu_clients
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libraries import loaded_library, mesa_version
from amdgpu_hw.shipped import suite_directory
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import amdgpu_info as info
from amdgpu_hw.verdict.machine import package_version

__all__ = ("differences", "fingerprint", "gpu_facts", "taint_letters")

_PROC = Path("/proc")
_MODULE = Path("/sys/module/amdgpu")
_PCI = Path("/sys/bus/pci/devices")

_TAINT_LETTERS = "PFSRMBUDAWCIOELKXTNJ"
"""By bit (Documentation/admin-guide/tainted-kernels.rst, include/linux/panic.h)."""

_BUILD_ID = re.compile(rb"\x04\0\0\0(?P<size>....)\x03\0\0\0GNU\0", re.DOTALL)
"""An ELF note of type NT_GNU_BUILD_ID; what it describes follows."""

_FIRMWARE = {
    name.removeprefix("AMDGPU_INFO_FW_").lower(): getattr(info, name)
    for name in vars(info)
    if name.startswith("AMDGPU_INFO_FW_") and name != "AMDGPU_INFO_FW_VERSION"
}

_SAME = (
    ("kernel", "release"),
    ("kernel", "version"),
    ("kernel", "config"),
    ("amdgpu", "srcversion"),
    ("amdgpu", "build_id"),
    ("amdgpu", "parameters"),
    ("gpu", "pci_address"),
    ("gpu", "device_id"),
    ("gpu", "vbios"),
    ("suite", "version"),
    ("suite", "sha256"),
    ("patch_id",),
)
"""What two halves of one run must agree in."""


def fingerprint(gpu: Mapping[str, Any], patch_id: str) -> dict[str, Any]:
    """All of it: takes a second, as it asks other programs.

    ``gpu`` are `gpu_facts`; ``patch_id`` is what the user calls the patches in this kernel, empty if nothing.
    """
    return {
        "patch_id": patch_id,
        "kernel": _kernel(),
        "amdgpu": _driver(),
        "gpu": dict(gpu),
        "libraries": _libraries(),
        "clients": [client.to_json() for client in gpu_clients(gpu["pci_address"])],
        "all_clients_seen": all_visible(),
        "suite": _suite(),
    }


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What tells two fingerprints apart that must not, in words: ``kernel release 6.12 instead of 7.3``."""
    found = []
    for path in _SAME:
        before, now = _at(one, path), _at(other, path)
        if before != now:
            found.append(f"{' '.join(path).replace('_', ' ')} {_spelled(now)} instead of {_spelled(before)}")
    return found


def taint_letters(value: int) -> str:
    """The letters of a tainted kernel as an oops prints them, without the G of an untainted one: ``OE``."""
    letters = [letter for bit, letter in enumerate(_TAINT_LETTERS) if value >> bit & 1]
    unknown = value >> len(_TAINT_LETTERS)
    return "".join(letters) + (f"+{unknown << len(_TAINT_LETTERS):#x}" if unknown else "")


def _at(value: Mapping[str, Any], path: Iterable[str]) -> Any:
    found: Any = value
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _spelled(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={each}" for name, each in value.items()) or "none"
    return "none" if value in (None, "") else str(value)


def _line(path: Path) -> str | None:
    """A file's text without the end of line; None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _kernel() -> dict[str, Any]:
    release = _line(_PROC / "sys/kernel/osrelease")
    taint = _line(_PROC / "sys/kernel/tainted") or ""
    value = int(taint) if taint.isdigit() else None
    return {
        "release": release,
        "version": _line(_PROC / "version"),
        "config": _config(release),
        "tainted": value,
        "taint": taint_letters(value) if value is not None else None,
        "command_line": _line(_PROC / "cmdline"),
    }


def _config(release: str | None) -> str | None:
    """SHA-256 of the kernel's configuration, comments left out: of the running one, or of the file beside it."""
    for path in (_PROC / "config.gz", Path(f"/boot/config-{release}"), Path(f"/lib/modules/{release}/config")):
        try:
            data = path.read_bytes()
            text = gzip.decompress(data) if path.suffix == ".gz" else data
        except (OSError, EOFError, gzip.BadGzipFile):
            continue
        settings = sorted(
            line for line in text.splitlines() if line.strip() and not line.startswith(b"# Automatically")
        )
        return hashlib.sha256(b"\n".join(settings)).hexdigest()
    return None


def _driver() -> dict[str, Any]:
    """The module that is loaded; where amdgpu is built in, only its parameters are there."""
    try:
        names = sorted(path.name for path in (_MODULE / "parameters").iterdir())
    except OSError:
        names = []
    parameters = {name: _line(_MODULE / "parameters" / name) for name in names}
    return {
        "srcversion": _line(_MODULE / "srcversion"),
        "build_id": _build_id(_MODULE / "notes" / ".note.gnu.build-id"),
        "taint": _line(_MODULE / "taint"),
        "parameters": {name: value for name, value in parameters.items() if value is not None},
    }


def _build_id(note: Path) -> str | None:
    try:
        data = note.read_bytes()
    except OSError:
        return None
    found = _BUILD_ID.search(data)
    if found is None:
        return None
    size = int.from_bytes(found["size"], "little")
    return data[found.end() : found.end() + size].hex()


def gpu_facts(gpu: Gpu) -> dict[str, Any]:
    """What only an open GPU tells: the part ``gpu`` of a fingerprint."""
    identity = gpu.identity
    return {
        "pci_address": identity.pci_address,
        "device_id": identity.device_id,
        "vbios": _vbios(gpu),
        "firmware": _firmware(gpu),
        "bar_size": _bar_size(identity.pci_address),
        "vram_size": identity.vram_size,
        "visible_vram_size": identity.visible_vram_size,
    }


def _vbios(gpu: Gpu) -> dict[str, str] | None:
    """Part number, version and date (AMDGPU_INFO_VBIOS_INFO); None where the kernel does not tell."""
    answer = bytearray(info.INFO_VBIOS.size)
    try:
        gpu.ioctl(
            uapi.IOCTL_AMDGPU_INFO,
            query=info.AMDGPU_INFO_VBIOS,
            arg0=info.AMDGPU_INFO_VBIOS_INFO,
            return_pointer=answer,
            return_size=len(answer),
        )
    except DrmError:
        return None
    fields = info.INFO_VBIOS.as_dict(answer)
    names = {"part_number": "vbios_pn", "version": "vbios_ver_str", "date": "date"}
    return {name: bytes(fields[of]).partition(b"\0")[0].decode(errors="replace").strip() for name, of in names.items()}


def _firmware(gpu: Gpu) -> dict[str, str]:
    """Version and feature version of each firmware that is loaded, the first instance's."""
    found = {}
    for name, number in _FIRMWARE.items():
        try:
            version, feature = gpu.firmware_version(number)
        except DrmError:
            continue
        if version or feature:
            found[name] = f"{version:#010x} ({feature})"
    return found


def _bar_size(pci_address: str) -> int | None:
    """Bytes of BAR 0, through which the CPU sees VRAM (all of it with a resizable BAR)."""
    line = (_line(_PCI / pci_address / "resource") or "").partition("\n")[0].split()
    if len(line) < 2:
        return None
    first, last = int(line[0], 16), int(line[1], 16)
    return last - first + 1 if last else None


def _libraries() -> dict[str, Any]:
    libraries: dict[str, Any] = {}
    for name in ("libdrm_amdgpu", "libdrm"):
        library = loaded_library(f"{name}.so")
        libraries[name] = library.to_json() if library is not None else None
    libraries["mesa"] = mesa_version() or None
    return libraries


def _suite() -> dict[str, Any]:
    """Ours: version, git commit where it runs from a checkout, and a hash of the rows."""
    directory = suite_directory()
    digest = hashlib.sha256()
    for path in sorted((*directory.glob("*.py"), *directory.glob("*.toml"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return {"version": package_version(), "commit": _commit(), "sha256": digest.hexdigest()}


def _commit() -> str | None:
    """The commit of the checkout that this package lies in; None if it is in none, or git keeps it in another form.

    Its files are read, as git takes seconds on emulated processors. Whether the tree differs from it the hash tells.
    """
    git = Path(__file__).parents[2] / ".git"
    pointer = _line(git) if git.is_file() else None  # of another worktree
    if pointer is not None:
        git = git.parent / pointer.removeprefix("gitdir: ")
    head = _line(git / "HEAD") or ""
    if not head.startswith("ref: "):
        return head or None
    name, shared = head.removeprefix("ref: "), git / (_line(git / "commondir") or ".")
    packed = (line.partition(" ") for line in (_line(shared / "packed-refs") or "").splitlines())
    return _line(shared / name) or next((commit for commit, _, ref in packed if ref == name), None)
