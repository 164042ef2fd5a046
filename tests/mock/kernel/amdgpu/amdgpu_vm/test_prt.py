# SPDX-License-Identifier: MIT
"""PRT before GFX9: one switch for all unmapped pages of the device, counted over all processes (KERNEL.md 3.9, E10)."""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu_model.page_table import EntryKind
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.vm_fixture import (
    BASE,
    CLEAR,
    DELAY,
    MAP,
    MIB,
    PAGE,
    PRT,
    REPLACE,
    UNMAP,
    E,
    Machine,
    new_gate,
)

WARNING = "Disabling VM faults because of PRT request!"


@pytest.fixture
def machine() -> Machine:
    """A kernel with the series and a Polaris10."""
    return Machine("series-fixed", "polaris10")


def is_on(machine: Machine) -> bool:
    """Whether unmapped pages are PRT at the moment."""
    return bool(machine.adev.gpu.prt_aperture)


def test_first_prt_mapping_turns_the_switch_on_and_says_so_once(machine: Machine) -> None:
    """The kernel warns the first time only (gmc.prt_warning)."""
    client = machine.client()
    assert not is_on(machine)
    for _ in range(2):
        client.do(MAP, BASE, flags=PRT)
        assert is_on(machine)
        client.do(UNMAP, BASE, flags=PRT)
        client.settle()
        assert not is_on(machine)
    assert machine.kernel.log.text().count(WARNING) == 1


def test_switch_covers_what_user_space_can_map(machine: Machine) -> None:
    """The apertures leave out what is reserved at both ends of the address space."""
    machine.client().do(MAP, BASE, flags=PRT)
    assert machine.adev.gpu.prt_aperture == range(0x10000, (128 << 30) - 0x402000)


def test_switch_counts_over_all_processes(machine: Machine) -> None:
    """It goes off with the last PRT mapping of anybody."""
    first, second = machine.client(), machine.client()
    for client in (first, second):
        client.do(MAP, BASE, flags=PRT)
    for client in (first, second):
        assert is_on(machine)
        client.do(CLEAR, BASE)
        client.settle()
    assert not is_on(machine)


def test_page_tables_have_no_prt_entries(machine: Machine) -> None:
    """There is no bit for it: gmc_v8_0_get_vm_pte leaves an empty entry."""
    client = machine.client()
    client.do(MAP, BASE, size=MIB, flags=PRT)
    client.settle()
    assert client.walk(BASE).kind is EntryKind.NONE


def test_switch_outlives_the_ioctl_that_removes_the_mapping(machine: Machine) -> None:
    """Only when the entries have been zeroed, behind the job in flight, does the callback turn it off."""
    client = machine.client()
    client.do(MAP, BASE, flags=PRT)
    client.settle()
    gate = new_gate()
    client.submit(gate)
    client.do(UNMAP, BASE, flags=PRT)
    client.settle()
    assert is_on(machine), "the clear waits for the job"
    client.open_gate(gate)
    assert not is_on(machine)


def test_explicit_unmap_turns_the_switch_off_under_work_in_flight(machine: Machine) -> None:
    """The clear does not wait, so neither does its callback: jobs in flight may fault where PRT was."""
    client = machine.client()
    client.do(MAP, BASE, flags=PRT)
    client.settle()
    gate = new_gate()
    client.submit(gate)
    client.do(UNMAP, BASE, flags=PRT | E)
    client.settle()
    assert not is_on(machine)
    client.open_gate(gate)


def test_pieces_of_a_cut_mapping_count_each(machine: Machine) -> None:
    """A CLEAR in the middle makes two mappings of one; the switch is on until both are gone."""
    client = machine.client()
    memory = client.bo()
    client.do(MAP, BASE, size=3 * PAGE, flags=PRT)
    client.do(REPLACE, BASE + PAGE, memory)
    client.settle()
    assert machine.adev.vm_manager.num_prt_users == 2
    client.do(CLEAR, BASE)
    client.settle()
    assert is_on(machine)
    client.do(CLEAR, BASE + 2 * PAGE)
    client.settle()
    assert not is_on(machine)


def test_mapping_that_was_never_written_is_given_up_at_once(machine: Machine) -> None:
    """A delayed MAP that is unmapped again has no job to wait for."""
    client = machine.client()
    client.do(MAP, BASE, flags=PRT | DELAY)
    assert is_on(machine)
    client.do(UNMAP, BASE, flags=PRT | DELAY)
    assert not is_on(machine)


@pytest.mark.parametrize("variant", ["6.12", "6.18", "base", "series-v1", "series-fixed"])
def test_process_that_ends_gives_up_its_share(variant: str) -> None:
    """Also what it had removed, but nothing had zeroed yet (amdgpu_vm_prt_fini)."""
    machine = Machine(variant, "polaris10")
    client, other = machine.client(), machine.client()
    client.do(MAP, BASE, flags=PRT)
    client.do(MAP, BASE + MIB, flags=PRT)
    client.do(UNMAP, BASE + MIB, flags=PRT | DELAY)
    client.settle()
    client.close(client.fd)
    other.settle()
    assert not is_on(machine)
    assert machine.adev.vm_manager.num_prt_users == 0


def test_closing_a_buffer_gives_up_nothing(machine: Machine) -> None:
    """PRT mappings belong to the file, whatever handle came with them."""
    client = machine.client()
    memory = client.bo()
    client.do(MAP, BASE, memory, flags=PRT)
    client.ioctl(client.fd, core.IOCTL_GEM_CLOSE, handle=memory)
    client.settle()
    assert is_on(machine)


def test_from_gfx9_on_there_is_no_switch() -> None:
    """PRT is a bit of the page's entry there, and nobody counts."""
    machine = Machine("series-fixed", "vega10")
    client = machine.client()
    client.do(MAP, BASE, flags=PRT)
    client.settle()
    assert not is_on(machine)
    assert machine.adev.vm_manager.num_prt_users == 0
    assert client.walk(BASE).kind is EntryKind.PRT
    assert WARNING not in machine.kernel.log.text()
