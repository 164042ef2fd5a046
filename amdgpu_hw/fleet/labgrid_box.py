# SPDX-License-Identifier: MIT
"""A box that labgrid knows: reserved and locked there, reached and switched by labgrid's drivers."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amdgpu_hw.fleet.box import BoxFailed, Unreachable
from amdgpu_hw.fleet.plan import FleetPlan, PlannedPlace
from amdgpu_hw.fleet.reservation import Reservation

# gRPC's handlers for fork() wait for its threads; what we start is another program at once (it says so in its log).
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from labgrid import Environment
from labgrid.driver import ExecutionError
from labgrid.strategy import StrategyError

__all__ = ("LabgridBox", "environment_of")

_LOST = 255
"""What ssh itself ends with when the connection fails; `SSHDriver.run` returns it as any other status."""


class LabgridBox:
    """One place, ours until `close`. Raises `HarnessError` where labgrid has none for us."""

    def __init__(self, plan: FleetPlan, place: PlannedPlace) -> None:
        self._reservation = Reservation(plan.coordinator, place.tags, plan.limits.lock)
        self._directory = tempfile.TemporaryDirectory(prefix="amdgpu-hw-lg-")
        file = Path(self._directory.name) / "environment.yaml"
        # JSON is YAML.
        file.write_text(json.dumps(environment_of(plan, place, self._reservation.place)))
        self._environment: Any = Environment(str(file))
        try:
            self._target: Any = self._environment.get_target("main")
            self._ssh: Any = self._target.get_driver("SSHDriver", activate=False)
            self._strategy: Any = self._target.get_driver("BoxStrategy", activate=False)
        except Exception as error:
            # labgrid has no common class for what is wrong with a configuration.
            self.close()
            raise BoxFailed(f"labgrid cannot use the place {self._reservation.place}: {_one_line(error)}") from None

    @property
    def has_power(self) -> bool:
        """Whether the place has a power driver."""
        return bool(self._strategy.has_power)

    def run(self, command: str, timeout_s: float) -> tuple[int, str, str]:
        """Run a line of shell there: its exit status, what it printed, what it complained of."""
        self._connect()
        try:
            # The driver splits at spaces and ssh puts them back.
            out, complaint, status = self._ssh.run(command, decodeerrors="replace", timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise Unreachable(f"no answer within {timeout_s:g} s") from None
        except ExecutionError as error:
            raise Unreachable(f"the connection was lost: {_one_line(error)}") from None
        if status == _LOST:
            raise Unreachable(f"the connection was lost: {' '.join(complaint[-1:])}")
        return status, _text(out), _text(complaint)

    def put(self, local: Path, remote: str, timeout_s: float) -> None:
        """Copy a file there: under another name, then renamed."""
        self._connect()
        beside = f"{remote}.new-{os.getpid()}"  # another place may be on the same box
        try:
            self._ssh.put(str(local), beside)
        except ExecutionError:
            self._blame(f"{local.name} could not be copied by scp")
        status, _, complaint = self.run(f"mv {shlex.quote(beside)} {shlex.quote(remote)}", timeout_s)
        if status:
            raise BoxFailed(f"{local.name} could not be copied: {complaint.strip()}")

    def get(self, remote: str, local: Path, timeout_s: float) -> None:  # noqa: ARG002 - the driver has no limit
        """Copy a file from there."""
        self._connect()
        beside = local.with_name(f".{local.name}.new")
        try:
            self._ssh.get(remote, str(beside))
            beside.replace(local)
        except ExecutionError:
            self._blame(f"{remote} could not be fetched by scp")
        finally:
            beside.unlink(missing_ok=True)

    def reconnect(self) -> None:
        """Forget the connection and make a new one."""
        try:
            with _temporary_files_in(self._directory.name):
                self._strategy.transition("reachable")
        except Exception as error:
            # `SSHDriver` raises a plain Exception when it cannot connect in time.
            raise Unreachable(f"{self._reservation.place} cannot be reached by ssh: {_one_line(error)}") from None

    def power_cycle(self) -> None:
        """Switch it off and on with labgrid's power driver."""
        try:
            self._strategy.transition("off")
            self._strategy.transition("on")
        except (StrategyError, ExecutionError, subprocess.SubprocessError, OSError) as error:
            raise BoxFailed(f"the power driver failed: {_one_line(error)}") from None

    def close(self) -> None:
        """Let the place go."""
        try:
            self._environment.cleanup()
        finally:
            self._reservation.close()
            self._directory.cleanup()

    def _connect(self) -> None:
        """Have a connection; labgrid's driver keeps one that is dead."""
        if self._strategy.status.value != "reachable":
            self.reconnect()

    def _blame(self, what: str) -> None:
        """A copy failed: whether the box refused it or cannot be reached is for a command to tell."""
        self.run("true", 15)
        raise BoxFailed(what)


def environment_of(plan: FleetPlan, place: PlannedPlace, name: str) -> dict[str, Any]:
    """labgrid's environment for a place of that name."""
    drivers: dict[str, Any] = {
        "SSHDriver": {"keyfile": place.key, "connection_timeout": float(plan.limits.connect)},
    }
    if place.power_driver:
        drivers[place.power_driver] = {}
    elif place.power_on:
        drivers["ExternalPowerDriver"] = {"cmd_on": place.power_on, "cmd_off": place.power_off}
    drivers["BoxStrategy"] = {}  # last: it binds what is there
    return {
        "options": {"coordinator_address": plan.coordinator},
        "imports": ["amdgpu_hw.fleet.labgrid_strategy"],
        "targets": {"main": {"resources": {"RemotePlace": {"name": name}}, "drivers": drivers}},
    }


@contextlib.contextmanager
def _temporary_files_in(directory: str) -> Iterator[None]:
    """`SSHDriver` makes a directory for each attempt to connect, and leaves those of attempts that failed."""
    before, tempfile.tempdir = tempfile.tempdir, directory
    try:
        yield
    finally:
        tempfile.tempdir = before


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _one_line(error: Exception) -> str:
    return " ".join(str(getattr(error, "msg", "") or error).split())
