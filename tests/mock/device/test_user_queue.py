# SPDX-License-Identifier: MIT
"""User queues in the device layer, on a mock machine whose driver offers them."""

from __future__ import annotations

import subprocess
import sys

from amdgpu_hw.mock.machine import Machine

USE = """
from amdgpu_hw import open_gpu
from amdgpu_hw.gate.user_queue import UserQueueGate
from amdgpu_hw.user_queue import UserQueue

with open_gpu() as gpu:
    with UserQueue(gpu) as queue:
        queue.put([*queue.packets.nop(7), *queue.packets.protected_fence_signal()])
        with queue.signal() as fence:
            print("executed before the doorbell:", fence.signaled())
            queue.ring_doorbell()
            print("executed after it:", fence.wait(5_000_000_000))
        try:
            queue.put(queue.packets.nop(1020))
        except ValueError as error:
            print(error)
        buffer = gpu.alloc(4096)
        with UserQueueGate(queue, [buffer], "a fence") as gate:
            print("the gate is shut:", gate.is_shut, "the buffer is idle:", buffer.wait_idle())
        print("the buffer is idle:", buffer.wait_idle(5_000_000_000))
"""
MISSING = """
from amdgpu_hw import open_gpu
from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.user_queue import UserQueue

with open_gpu() as gpu:
    try:
        UserQueue(gpu)
    except FeatureMissing as missing:
        print(missing)
"""
LEFT_SHUT = """
from amdgpu_hw import open_gpu
from amdgpu_hw.gate.user_queue import UserQueueGate
from amdgpu_hw.user_queue import UserQueue

gpu = open_gpu()
gate = UserQueueGate(UserQueue(gpu), [gpu.alloc(4096)], "a fence that nobody opens")
print("shut:", gate.is_shut)
"""


def run(program: str, **parameters: int) -> list[str]:
    """What a program prints on a machine whose driver has these parameters; the mock kernel must not complain."""
    with Machine(parameters=parameters) as machine:
        result = subprocess.run(
            [sys.executable, "-c", program], env=machine.environ(), capture_output=True, text=True, timeout=60
        )
        with machine.console() as console:
            assert console.status().oopses == 0
            assert "hangs" not in machine.log()
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_the_ring_is_executed_when_the_doorbell_rings() -> None:
    """And fences of it signal; a gate of it holds what it is put on, and opens by itself."""
    assert run(USE, user_queue=1) == [
        "executed before the doorbell: False",
        "executed after it: True",
        "1020 dwords more do not fit into a ring that is used once",
        "the gate is shut: True the buffer is idle: False",
        "the buffer is idle: True",
    ]


def test_a_driver_that_offers_none_is_a_missing_feature() -> None:
    """As by default."""
    assert run(MISSING) == ["this kernel offers no user queues for compute (userq_ip_mask is 0x0)"]


def test_a_program_that_forgets_its_gate_ends_all_the_same() -> None:
    """The doorbell rings at the interpreter's exit; else closing the file would wait until the queue counts as hung."""
    assert run(LEFT_SHUT, user_queue=1) == ["shut: True"]
