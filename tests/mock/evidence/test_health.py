# SPDX-License-Identifier: MIT
"""Resets as a watcher without privileges sees them: counted once, whoever caused them, and a GPU that is gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from amdgpu_hw.mock.machine import Machine

PROGRAM = """
import sys
from amdgpu_hw.discovery import select_gpu
from amdgpu_hw.evidence.devcoredump import find_devcoredump
from amdgpu_hw.evidence.health import ResetWatch, WedgedWatch

node = select_gpu()
resets, wedged = ResetWatch(node.node), WedgedWatch(node.pci_address)
print("nothing:", bool(resets.look()), wedged.take(), find_devcoredump(node.pci_address), flush=True)
for line in sys.stdin:
    seen = resets.settle(10)
    print(f"{line.strip()}: {seen.words}; {[event.method for event in wedged.take()]}", flush=True)
resets.close()
wedged.close()
"""


@pytest.fixture
def machine() -> Iterator[Machine]:
    """One with a GPU whose memory is lost in a reset."""
    with Machine(["navi31"], gpu_time=1) as machine:
        yield machine


def test_resets_are_seen_once_each(machine: Machine) -> None:
    """By a process that has submitted nothing; then the GPU is pulled out."""
    with (
        machine.console() as console,
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=machine.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as watcher,
    ):
        assert watcher.stdin is not None
        assert watcher.stdout is not None

        def look(what: str) -> str:
            assert watcher.stdin is not None
            assert watcher.stdout is not None
            watcher.stdin.write(f"{what}\n")
            watcher.stdin.flush()
            return watcher.stdout.readline().strip()

        assert watcher.stdout.readline() == "nothing: False [] None\n"
        console.reset()
        assert look("reset").startswith("reset: the GPU was reset, VRAM was lost; ")
        assert look("nothing new").startswith("nothing new: ;")
        console.reset()
        console.reset()
        assert look("again").startswith("again: the GPU was reset")
        console.unplug()
        assert look("unplugged").startswith("unplugged: the GPU is gone")
        watcher.stdin.close()
        assert watcher.wait(10) == 0
