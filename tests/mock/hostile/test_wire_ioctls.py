# SPDX-License-Identifier: MIT
"""Hostile ioctls through the transport, on a running machine: real pointers, real descriptors, real threads."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .audited_machine import AuditedMachine, audited_machine
from .conftest import examples
from .values import Request, requests
from .wire_world import Arena, wire_world


@pytest.fixture(scope="module")
def machine() -> Iterator[AuditedMachine]:
    """One machine for all examples."""
    with audited_machine() as machine:
        yield machine


@pytest.fixture(scope="module")
def memory() -> Iterator[Arena]:
    """The client's memory."""
    memory = Arena()
    yield memory
    memory.close()


@settings(max_examples=examples(40))
@given(calls=st.lists(requests(), min_size=10, max_size=25))
def test_any_ioctl_is_answered_over_the_wire(machine: AuditedMachine, memory: Arena, calls: list[Request]) -> None:
    """As the ones in process: answers, and nothing is left behind; memory that is not there is EFAULT."""
    with wire_world(machine, memory) as here:
        for call in calls:
            assert 0 <= call.run(here) < 600


def test_the_kernel_does_not_grow(machine: AuditedMachine, memory: Arena) -> None:
    """Hundreds of clients that come and go leave the mock kernel as large as it was."""

    def churn(times: int) -> int:
        for _ in range(times):
            with wire_world(machine, memory):
                pass
        return machine.memory_kib()

    before = churn(30)
    assert churn(60) - before < 4096, "the mock kernel has grown by more than 4 MiB"
