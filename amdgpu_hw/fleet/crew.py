# SPDX-License-Identifier: MIT
"""The processes of the places, seen from the fleet: each gets orders and says what becomes of them."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from amdgpu_hw.fleet.events import Ending, Event, State, event_of
from amdgpu_hw.fleet.orders import Order
from amdgpu_hw.fleet.place_process import Assignment

__all__ = ("Crew", "Said")

_LEAVE_S = 150
"""More than it takes to end a run on a box and to let go of the place."""

_PROCESS = (sys.executable, "-m", "amdgpu_hw.fleet.place_process")


@dataclass(frozen=True, slots=True)
class Said:
    """What the process of a place said."""

    member: str
    event: Event


class Crew:
    """One process for each place; ``log`` is the directory for what they complain of."""

    def __init__(self, log: Path, command: Sequence[str] = _PROCESS) -> None:
        self._log = log
        self._command = command
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._all: list[subprocess.Popen[str]] = []
        self._threads: list[threading.Thread] = []
        self._said: queue.Queue[Said] = queue.Queue()

    def start(self, member: str, assignment: Assignment) -> None:
        """Start the process of a place."""
        self._log.mkdir(parents=True, exist_ok=True)
        with (self._log / f"{member}.log").open("a") as complaints:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                # Ctrl-C is for the fleet alone, which then ends all of them in order.
                start_new_session=True,
            )
        self._processes[member] = process
        self._all.append(process)
        thread = threading.Thread(target=self._listen, args=(member, process), daemon=True)
        thread.start()
        self._threads.append(thread)
        self._write(member, assignment.line())

    def give(self, member: str, order: Order) -> None:
        """Have a place carry out an order."""
        self._write(member, json.dumps(asdict(order)))

    def dismiss(self, member: str) -> None:
        """There is nothing left to do for a place; its process lets go of the box and ends."""
        stdin = self._processes[member].stdin
        if stdin is not None:
            with contextlib.suppress(OSError):
                stdin.close()

    def hear(self, timeout_s: float | None = None) -> Said | None:
        """What is said next; None if nothing is within that time."""
        with contextlib.suppress(queue.Empty):
            return self._said.get(timeout=timeout_s)
        return None

    def close(self) -> None:
        """End all processes: in order, then by force. What they still say can be heard afterwards."""
        for member in self._processes:
            self.dismiss(member)
        for process in self._all:
            try:
                process.wait(_LEAVE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for thread in self._threads:
            thread.join()

    def _write(self, member: str, line: str) -> None:
        """Write a line to a process; one that has ended is heard of by what it no longer says."""
        stdin = self._processes[member].stdin
        if stdin is None:
            raise ValueError("a process of the crew has an input")
        with contextlib.suppress(OSError, ValueError):
            stdin.write(f"{line}\n")
            stdin.flush()

    def _listen(self, member: str, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            with contextlib.suppress(ValueError):  # libraries of others print as well
                self._said.put(Said(member, event_of(line)))
        status = process.wait()
        if status and self._processes[member] is process:
            why = f"its process here ended with {status}: see {self._log / f'{member}.log'}"
            self._said.put(Said(member, Ending(State.LOST, why, place_is_broken=True)))
