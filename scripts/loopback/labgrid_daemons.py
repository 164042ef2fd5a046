# SPDX-License-Identifier: MIT
"""labgrid's coordinator and exporter on the loopback interface, with a place for each box."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from loopback.lab import Lab, LoopbackBox, free_port

__all__ = ("LabgridDaemons",)

_START_S = 60
_COORDINATOR_READY, _EXPORTER_READY = "Coordinator ready", "connected to coordinator"


class LabgridDaemons:
    """A context manager; ``coordinator`` is where it listens. The boxes are exported with these tags, by name."""

    def __init__(self, lab: Lab, boxes: Mapping[str, Mapping[str, str]]) -> None:
        self.coordinator = f"127.0.0.1:{free_port()}"
        self._directory = lab.directory / "labgrid"
        self._directory.mkdir()
        self._processes: list[subprocess.Popen[str]] = []
        try:
            self._start(_COORDINATOR_READY, "coordinator", "-l", self.coordinator)
            exported = {box.name: _exported(box) for box in lab.boxes if box.name in boxes}
            file = self._directory / "exporter.yaml"
            file.write_text(json.dumps(exported))  # JSON is YAML
            self._start(
                _EXPORTER_READY, "exporter", "-c", self.coordinator, "-n", "lab", "--hostname", "127.0.0.1", str(file)
            )
            for name, tags in boxes.items():
                self.client("-p", name, "create")
                self.client("-p", name, "add-match", f"lab/{name}/*")
                self.client("-p", name, "set-tags", *(f"{key}={value}" for key, value in tags.items()))
        except BaseException:
            self.close()
            raise

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


def _exported(box: LoopbackBox) -> dict[str, object]:
    return {"NetworkService": {"address": "127.0.0.1", "username": box.user, "port": box.port}}


def _pass_on(process: subprocess.Popen[str], log: Path, said: queue.Queue[str | None]) -> None:
    """Keep reading what a daemon says, so that it never waits for us."""
    with log.open("w") as file:
        for line in process.stdout or ():
            file.write(line)
            file.flush()
            said.put(line)
    said.put(None)
