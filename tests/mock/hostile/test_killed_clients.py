# SPDX-License-Identifier: MIT
"""Clients that die of SIGKILL, wherever they are: nothing of them is left."""

from collections.abc import Iterator

import pytest

from .audited_machine import AuditedMachine, audited_machine
from .conftest import examples


@pytest.fixture(scope="module")
def machine() -> Iterator[AuditedMachine]:
    """One machine for all of this."""
    with audited_machine() as machine:
        yield machine


@pytest.mark.parametrize("seed", range(3))
def test_clients_killed_at_random(machine: AuditedMachine, seed: int) -> None:
    """Processes that submit, map, share, wait and close behind gates, killed after some milliseconds."""
    assert machine.run_module("zoo", str(seed), str(examples(40))) == ["all killed"]
    machine.expect_rest()
