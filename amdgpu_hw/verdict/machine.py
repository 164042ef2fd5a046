# SPDX-License-Identifier: MIT
"""What a run happened on: the machine, whether its kernel is real, and whether its GPU is real.

This is the only place outside `amdgpu_hw.mock` and `amdgpu_hw.guest` that may know. The launcher of a mock machine says
so in the environment (`ENVIRONMENT`); the GPUs of a guest machine say so themselves, in the IDs of their PCI function
(`amdgpu_hw.guest.identity`). It is for the reports alone: neither the device layer nor a test reads it.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from amdgpu_hw.guest.identity import VBIOS_PREFIX, is_modelled
from amdgpu_hw.libraries import installed_libdrm_version, loaded_library

__all__ = (
    "ASKED",
    "ENVIRONMENT",
    "GUEST_MODULE",
    "GivenModule",
    "MachineDescription",
    "command_line",
    "package_version",
    "software_versions",
    "this_machine",
)

ENVIRONMENT = "AMDGPU_HW_MOCK_MACHINE"
"""Set by the launcher of a mock machine: a JSON object with ``gpus`` (names), ``kernel`` (variant), ``bugs``
(descriptions of the bugs planted in it, by name), ``parameters`` (module parameters of amdgpu that were given) and
``gpu_time``."""

ASKED = "AMDGPU_HW_ASKED"
"""Set in a guest machine that a command of ours made for itself: the arguments that asked for it."""

GUEST_MODULE = "AMDGPU_HW_GUEST_MODULE"
"""Set for a command on a guest machine that was given an amdgpu.ko: a JSON object, `GivenModule`."""

# What the client side of the mock machine's transport needs: whoever has it runs on a mock machine.
_MOCK_DIRECTORY = "AMDGPU_HW_MOCK"

_RENDER_NODES = Path("/sys/class/drm")
_BUILD_ID = Path("/sys/module/amdgpu/notes/.note.gnu.build-id")
_NOTE_HEADER = 16
"""Bytes before the ID: the sizes of name and content, the type, and the name GNU."""


@dataclass(frozen=True, slots=True)
class GivenModule:
    """The amdgpu.ko that a guest machine was given in place of its kernel's own."""

    file: str
    """The path that was given."""
    patches: tuple[str, ...] = ()
    """What it was built from, where `scripts/build_module` built it: patches, by subject or file and digest."""
    edits: tuple[str, ...] = ()
    """The files of edits that were made, by name and digest."""

    @property
    def name(self) -> str:
        """What the file is called."""
        return Path(self.file).name

    @property
    def words(self) -> str:
        """All of it, in one line."""
        made = [f"{len(self.patches)} patches: {', '.join(self.patches)}"] if self.patches else []
        made += [f"edits: {', '.join(self.edits)}"] if self.edits else []
        return f"{self.name} ({'; '.join(made) or 'what it was built from is not known'})"


@dataclass(frozen=True, slots=True)
class MachineDescription:
    """The machine of a run; what begins with ``mock_`` is empty on a real one."""

    is_mock: bool
    mock_gpus: tuple[str, ...]
    mock_kernel: str
    kernel: str
    architecture: str
    mock_bugs: Mapping[str, str] = field(default_factory=dict)
    """Bugs planted in the kernel: name and what is wrong."""
    mock_parameters: Mapping[str, int] = field(default_factory=dict)
    """Module parameters of amdgpu that were given."""
    gpu_time: float = 1.0
    """Factor on the mock GPUs' modelled time; 1 on a real machine."""
    guest_gpus: tuple[str, ...] = ()
    """The modelled GPUs of a guest machine; with any of them the machine is one."""
    asked: tuple[str, ...] = ()
    """The arguments that asked for the guest machine; empty on others."""
    guest_module: GivenModule | None = None
    """What a guest machine's driver was loaded from; None: the kernel's own, or no guest."""
    driver_build_id: str = ""
    """The linker's ID of the amdgpu that is loaded, as the kernel tells it; empty where it does not."""

    @property
    def kernel_is_real(self) -> bool:
        """Whether the kernel is one that somebody else wrote."""
        return not self.is_mock

    @property
    def gpu_is_real(self) -> bool:
        """Whether the GPU is hardware."""
        return not self.is_mock and not self.guest_gpus

    @property
    def words(self) -> str:
        """REAL GPU or MOCK, or in between; never to be left out of a report."""
        if self.is_mock:
            return "MOCK"
        return "REAL GPU" if self.gpu_is_real else "GUEST: REAL KERNEL, MODELLED GPU"

    @property
    def meaning(self) -> str:
        """What a verdict from here is worth."""
        if self.is_mock:
            return "a verdict on the harness, not on any kernel or GPU"
        return f"a verdict on that kernel{'' if self.gpu_is_real else ', not on any GPU'}"

    @property
    def sentence(self) -> str:
        """What the verdict is a verdict on."""
        if self.guest_gpus:
            module = f" with {self.guest_module.name}" if self.guest_module else ""
            return (
                f"modelled {', '.join(self.guest_gpus)} under the real kernel Linux {self.kernel} "
                f"({self.architecture}){module}: {self.meaning}"
            )
        if not self.is_mock:
            return f"real hardware, Linux {self.kernel} ({self.architecture})"
        planted = f" with a PLANTED BUG ({', '.join(self.mock_bugs)})" if self.mock_bugs else ""
        given = "".join(f", amdgpu.{name}={value:#x}" for name, value in self.mock_parameters.items())
        return (
            f"simulated {', '.join(self.mock_gpus)} on mock kernel {self.mock_kernel}{given}{planted}: {self.meaning}"
        )

    def to_json(self) -> dict[str, Any]:
        """The form it has in a result file."""
        real = {"kernel_is_real": self.kernel_is_real, "gpu_is_real": self.gpu_is_real}
        return {"words": self.words, **real, **asdict(self)}


def this_machine() -> MachineDescription:
    """The machine this process runs on."""
    mock = _mock_description()
    uname = platform.uname()
    return MachineDescription(
        is_mock=mock is not None,
        mock_gpus=tuple(str(name) for name in (mock or {}).get("gpus", ())),
        mock_kernel=str((mock or {}).get("kernel", "")),
        mock_bugs={str(name): str(text) for name, text in (mock or {}).get("bugs", {}).items()},
        mock_parameters={str(name): int(value) for name, value in (mock or {}).get("parameters", {}).items()},
        kernel=f"{uname.release} {uname.version}",
        architecture=uname.machine,
        gpu_time=float((mock or {}).get("gpu_time", 1.0)),
        guest_gpus=() if mock is not None else _modelled_gpus(),
        asked=() if mock is not None else tuple(shlex.split(os.environ.get(ASKED, ""))),
        guest_module=_given_module() if mock is None else None,
        driver_build_id=_build_id() if mock is None else "",
    )


def _given_module() -> GivenModule | None:
    text = os.environ.get(GUEST_MODULE)
    if not text:
        return None
    value = json.loads(text)
    return GivenModule(value["file"], tuple(value["patches"]), tuple(value["edits"]))


def _build_id() -> str:
    try:
        return _BUILD_ID.read_bytes()[_NOTE_HEADER:].hex()
    except OSError:
        return ""


def _modelled_gpus() -> tuple[str, ...]:
    """The GPUs that say of themselves that they are modelled, by name; one of them makes all results a guest's."""
    found = []
    for node in sorted(_RENDER_NODES.glob("renderD*")):
        device = node / "device"
        ids = [_read(device / name) for name in ("subsystem_vendor", "subsystem_device")]
        if all(ids) and is_modelled(*(int(number, 0) for number in ids)):
            part_number = _read(device / "vbios_version")
            found.append(part_number.removeprefix(VBIOS_PREFIX).lower() or "GPU")
    return tuple(found)


def _read(attribute: Path) -> str:
    """An attribute's line; empty where the device has none."""
    try:
        return attribute.read_text().strip()
    except OSError:
        return ""


def _mock_description() -> dict[str, Any] | None:
    text = os.environ.get(ENVIRONMENT, "")
    if not text and _MOCK_DIRECTORY not in os.environ:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    # Undescribed or unreadable, it still is a mock machine: a mock must never be reported as a real GPU.
    return value if isinstance(value, dict) else {"gpus": ["GPU"], "kernel": "of unknown variant"}


@functools.cache
def software_versions() -> dict[str, str]:
    """Versions of what stands between a test and the kernel, by package."""
    versions = {"amdgpu_hw": package_version(), "python": platform.python_version()}
    for package in ("pytest", "cffi"):
        versions[package] = metadata.version(package)
    versions["libdrm"] = _libdrm_version()
    return versions


def _libdrm_version() -> str:
    """Version of the libdrm_amdgpu that this process has loaded, which no call of it tells; its path if nothing knows.

    Newer ones have it in the file's name, others in the pkg-config file beside them, or in the package they are from.
    Where none is loaded, it is that of the installed one.
    """
    loaded = loaded_library("libdrm_amdgpu.so")
    if loaded is None:
        return installed_libdrm_version()
    if not loaded.version:
        return f"of unknown version, {loaded.path}"
    return loaded.version if loaded.path.startswith(("/usr/lib/", "/lib/")) else f"{loaded.version} ({loaded.path})"


def package_version() -> str:
    """Version of this package, or that it runs uninstalled."""
    try:
        return metadata.version("amdgpu-hw")
    except metadata.PackageNotFoundError:
        return "not installed"


def command_line() -> list[str]:
    """How this process was started."""
    program = os.path.basename(sys.argv[0])
    return ["amdgpu-hw" if program == "__main__.py" else program, *sys.argv[1:]]
