# SPDX-License-Identifier: MIT
"""labgrid's coordinator and exporter on the loopback interface, with the places that they are told of."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from labgrid.remote.generated import labgrid_coordinator_pb2 as messages
from labgrid.remote.generated.labgrid_coordinator_pb2_grpc import CoordinatorStub

from loopback.lab import Lab, free_port

__all__ = ("LabgridDaemons", "LabgridPlace", "places_of")

_START_S = 60
_COORDINATOR_READY, _EXPORTER_READY = "Coordinator ready", "connected to coordinator"


@dataclass(frozen=True, slots=True)
class LabgridPlace:
    """A place with a box that is reached by ssh on the loopback interface."""

    name: str
    tags: Mapping[str, str]
    user: str
    port: int


def places_of(lab: Lab, tags: Mapping[str, Mapping[str, str]]) -> list[LabgridPlace]:
    """Places for those boxes of a lab that have tags, by name."""
    return [LabgridPlace(box.name, tags[box.name], box.user, box.port) for box in lab.boxes if box.name in tags]


class LabgridDaemons:
    """A context manager that works in ``directory``, a new one; ``coordinator`` is where it listens."""

    def __init__(self, directory: Path, places: Sequence[LabgridPlace]) -> None:
        self.coordinator = f"127.0.0.1:{free_port()}"
        self._directory = directory
        self._directory.mkdir()
        self._processes: list[subprocess.Popen[str]] = []
        try:
            self._start(_COORDINATOR_READY, "coordinator", "-l", self.coordinator)
            exported = {place.name: _exported(place) for place in places}
            file = self._directory / "exporter.yaml"
            file.write_text(json.dumps(exported))  # JSON is YAML
            self._start(
                _EXPORTER_READY, "exporter", "-c", self.coordinator, "-n", "lab", "--hostname", "127.0.0.1", str(file)
            )
            self._create(places)
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> list[int]:
        """The processes of coordinator and exporter."""
        return [process.pid for process in self._processes]

    def client(self, *words: str, user: str | None = None) -> str:
        """Run labgrid's client, as another user where one is named. Raises RuntimeError."""
        done = subprocess.run(
            [sys.executable, "-m", "labgrid.remote.client", "-x", self.coordinator, *words],
            env={**os.environ, **({"LG_USERNAME": user} if user else {})},
            capture_output=True,
            text=True,
            timeout=_START_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"labgrid-client {' '.join(words)}: {done.stderr or done.stdout}")
        return done.stdout

    def close(self) -> None:
        """End both."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        self.close()

    def _create(self, places: Sequence[LabgridPlace]) -> None:
        """Tell the coordinator of them, as labgrid-client would, but with one connection for all."""
        with grpc.insecure_channel(self.coordinator) as channel:
            stub = CoordinatorStub(channel)
            for place in places:
                name = place.name
                stub.AddPlace(messages.AddPlaceRequest(name=name))
                stub.AddPlaceMatch(messages.AddPlaceMatchRequest(placename=name, pattern=f"lab/{name}/*"))
                stub.SetPlaceTags(messages.SetPlaceTagsRequest(placename=name, tags=dict(place.tags)))

    def _start(self, ready: str, module: str, *words: str) -> None:
        """Start a daemon in a directory of its own, where it leaves files, and wait until it says that it is ready."""
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", f"labgrid.remote.{module}", *words],
            cwd=self._directory,
            env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._processes.append(process)
        said: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_pass_on, args=(process, self._directory / f"{module}.log", said), daemon=True).start()
        with contextlib.suppress(queue.Empty):
            while (line := said.get(timeout=_START_S)) is not None:
                if ready in line:
                    return
        raise RuntimeError(
            f"labgrid's {module} did not start: {(self._directory / f'{module}.log').read_text()[-500:]}"
        )


def _exported(place: LabgridPlace) -> dict[str, object]:
    return {"NetworkService": {"address": "127.0.0.1", "username": place.user, "port": place.port}}


def _pass_on(process: subprocess.Popen[str], log: Path, said: queue.Queue[str | None]) -> None:
    """Keep reading what a daemon says, so that it never waits for us."""
    with log.open("w") as file:
        for line in process.stdout or ():
            file.write(line)
            file.flush()
            said.put(line)
    said.put(None)
