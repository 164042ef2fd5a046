# SPDX-License-Identifier: MIT
"""The plan of a fleet: which places and kernels there are, what is run, for how long; read from TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from amdgpu_hw.decode import TOML, DecodeError, decode
from amdgpu_hw.errors import HarnessError

__all__ = ("FleetPlan", "PlannedKernel", "PlannedPlace", "TimeLimits", "plan_of_hosts", "read_plan")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,60}")
"""Names become parts of file names, here and on the boxes."""

_FILES = "$FILES"

_HOST = re.compile(r"(?:[^@\s:-][^@\s:]*@)?[^@\s:-][^@\s:]*(?::\d{1,5})?")


def _require_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"'{name}' is no name for a {what}: use letters, digits, and . _ + - after the first")


@dataclass(frozen=True, slots=True)
class PlannedPlace:
    """A box, or as many as labgrid has with these tags."""

    name: str
    gpu: str
    """What its GPU is called in the matrix; places with the same GPU share its orders."""
    ssh: str = ""
    """``[USER@]HOST[:PORT]``; empty: labgrid knows where it is."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The tags of labgrid's place."""
    count: int = 1
    """How many places with these tags to use at once."""
    kernels: tuple[str, ...] = ()
    """The kernels to run here; empty: all of the plan."""
    directory: str = ".cache/amdgpu-hw/fleet"
    """Where everything lies on the box; relative to the home directory there."""
    python: str = "python3"
    """The interpreter on the box; what is installed for it need not be fetched."""
    key: str = ""
    """The file with the private key for ssh; empty: ssh finds one itself."""
    options: tuple[str, ...] = ()
    """Options of ssh, as after ``-o``; labgrid has its own."""
    power_off: str = ""
    power_on: str = ""
    """Commands to run here that switch the box off and on."""
    power_driver: str = ""
    """The driver of labgrid that does so, e.g. ``NetworkPowerDriver``."""
    validate: tuple[str, ...] = ()
    """Arguments of ``amdgpu-hw validate`` on this place."""

    def __post_init__(self) -> None:
        _require_name("place", self.name)
        _require_name("GPU", self.gpu)
        if bool(self.ssh) == bool(self.tags):
            raise ValueError("give either ssh = '[USER@]HOST[:PORT]' or tags = { ... } of labgrid")
        if self.ssh and not _HOST.fullmatch(self.ssh):
            raise ValueError(f"ssh must be [USER@]HOST[:PORT], not '{self.ssh}'")
        if self.count < 1 or (self.ssh and self.count > 1):
            raise ValueError(f"count must be 1{' for a place by ssh' if self.ssh else ' or more'}, not {self.count}")
        if bool(self.power_off) != bool(self.power_on):
            raise ValueError("power_off and power_on go together: give both or none")
        if self.power_driver and self.ssh:
            raise ValueError("power_driver is one of labgrid's: for a place by ssh give power_off and power_on")

    @property
    def has_power(self) -> bool:
        """Whether it can be switched off and on from here."""
        return bool(self.power_on or self.power_driver)


@dataclass(frozen=True, slots=True)
class PlannedKernel:
    """A kernel, and how a place comes to run it."""

    name: str
    release: str = ""
    """What ``uname -r`` must say; empty: it is not looked at."""
    boot: str = ""
    """The command on the box that has it booted at once, e.g. ``grub-reboot 2 && systemctl reboot``."""
    files: str = ""
    """A file to copy to the box first, e.g. the archive of a built tree, or a driver for a guest.

    ``boot`` finds it as ``$FILES``; in ``guest`` and ``validate`` the word stands for where it is on the box.
    """
    guest: str = ""
    """The kernel of a guest machine that the place runs, as ``--guest`` takes it."""
    mock: str = ""
    """The kernel of a mock machine that the place runs, as ``--kernel`` takes it."""
    validate: tuple[str, ...] = ()
    """Arguments of ``amdgpu-hw validate`` with this kernel, e.g. ``--patch-id``."""

    def __post_init__(self) -> None:
        _require_name("kernel", self.name)
        if bool(self.boot or self.release) + bool(self.guest) + bool(self.mock) > 1:
            raise ValueError("a kernel is booted (release, boot), or of a guest, or a mock: one of them")
        if self.boot and not self.release:
            raise ValueError("release is missing: without it nobody knows whether the right kernel was booted")
        spoken_of = any(_FILES in word for word in (self.guest, *self.validate))
        if self.files and not self.boot and not spoken_of:
            raise ValueError(f"nothing uses files: give boot, or say {_FILES} in guest or validate")
        if spoken_of and (self.boot or not self.files):
            raise ValueError(f"{_FILES} in guest and validate is where files is copied to, without boot: give files")

    def arguments(self, gpu: str, files: str) -> list[str]:
        """What ``amdgpu-hw validate`` is given for it on a place with that GPU, where its files are at ``files``."""
        machine: list[str] = []
        if self.mock:
            machine = [f"--mock={gpu}", f"--kernel={self.mock}"]
        elif self.guest:
            machine = [f"--guest={self.guest}", f"--gpu={gpu}"]
        return [word.replace(_FILES, files) for word in (*machine, *self.validate)]


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """For how long each step may take, in seconds."""

    validate: float = 3600
    """A whole validation."""
    silence: float = 300
    """A validation that starts no new test hangs."""
    boot: float = 600
    """From the reboot to the answer of ssh."""
    prepare: float = 900
    """The environment on the box."""
    connect: float = 15
    """One attempt to reach the box."""
    answer: float = 30
    """What the box is asked and can answer at once."""
    away: float = 120
    """A box that cannot be reached is away; then its power is cycled."""
    lock: float = 3600
    """For a place that somebody else holds."""
    poll: float = 5
    """Between two looks at a run."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not 0 < getattr(self, name) <= 1e6:
                raise ValueError(f"{name} must be a number of seconds above 0, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """A whole plan. ``wheels`` and ``wheel`` are files here, ``coordinator`` is labgrid's ``HOST:PORT``."""

    place: tuple[PlannedPlace, ...]
    kernel: tuple[PlannedKernel, ...] = (PlannedKernel("running"),)
    rows: str = ""
    """Which rows, as pytest's ``-k``; empty: all."""
    repetitions: int = 1
    validate: tuple[str, ...] = ()
    """Arguments of every ``amdgpu-hw validate``."""
    wheel: str = ""
    """The wheel to install; empty: one is built of the checkout."""
    wheels: str = ""
    """A directory with the wheels that it depends on, for boxes that cannot fetch them."""
    coordinator: str = ""
    limits: TimeLimits = TimeLimits()

    def __post_init__(self) -> None:
        _require_unique("place", [each.name for each in self.place])
        names = _require_unique("kernel", [each.name for each in self.kernel])
        if not self.place or not self.kernel:
            raise ValueError("a plan has at least one [[place]] and one [[kernel]]")
        if not 1 <= self.repetitions <= 1000:
            raise ValueError(f"repetitions must be a number from 1 to 1000, not {self.repetitions}")
        for place in self.place:
            for kernel in place.kernels:
                if kernel not in names:
                    raise ValueError(f"place '{place.name}' names a kernel '{kernel}'; there are: {', '.join(names)}")
        if any(place.tags for place in self.place) and not self.coordinator:
            raise ValueError("coordinator = 'HOST:PORT' is missing: places by tags are labgrid's")

    def kernel_named(self, name: str) -> PlannedKernel:
        """The kernel of that name, which the plan has."""
        return next(each for each in self.kernel if each.name == name)

    def require_files(self) -> None:
        """Raise `HarnessError` if a file to copy is not there."""
        for kernel in self.kernel:
            if kernel.files and not Path(kernel.files).is_file():
                raise HarnessError(f"the file {kernel.files} of kernel '{kernel.name}' is not there: build it first")

    def place_named(self, name: str) -> PlannedPlace:
        """The place of that name, which the plan has."""
        return next(each for each in self.place if each.name == name)


def _require_unique(what: str, names: list[str]) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two {what}s are called '{name}': give each a name of its own")
    return names


def read_plan(path: Path) -> FleetPlan:
    """The plan in a file; its paths are relative to it. Raises `HarnessError` in one sentence."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HarnessError(f"the plan {path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise HarnessError(f"the plan {path} is not TOML: {error}") from None
    try:
        plan: FleetPlan = decode(FleetPlan, _absolute(content, path.parent.resolve()), "", TOML)
    except DecodeError as error:
        raise HarnessError(f"the plan {path} is wrong: {error}") from None
    return plan


def _absolute(content: dict[str, object], directory: Path) -> dict[str, object]:
    """The same with every path that the plan names whole, so that it means the same in the processes of the places."""
    tables: list[tuple[object, str]] = [(content, "wheel"), (content, "wheels")]
    for name, key in (("place", "key"), ("kernel", "files")):
        entries = content.get(name)
        tables += [(each, key) for each in entries] if isinstance(entries, list) else []
    for table, key in tables:
        if isinstance(table, dict) and isinstance(table.get(key), str) and table[key]:
            table[key] = str(directory / Path(table[key]).expanduser())
    return content


def plan_of_hosts(
    hosts: Iterable[str], rows: str, repetitions: int, validate: tuple[str, ...], wheel: str
) -> FleetPlan:
    """The plan for boxes by ssh alone: the kernel that runs there, each GPU by its host's name.

    Raises `HarnessError`.
    """
    try:
        places = tuple(PlannedPlace(_host_name(host), _host_name(host), host) for host in hosts)
        return FleetPlan(places, rows=rows, repetitions=repetitions, validate=validate, wheel=wheel)
    except ValueError as error:
        raise HarnessError(f"--ssh takes hosts as HOST1,USER@HOST2:PORT: {error}") from None


def _host_name(host: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]", "-", host.rpartition("@")[2])
