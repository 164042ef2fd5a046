# SPDX-License-Identifier: MIT
"""Page tables that the CPU writes (vm_update_mode=3): rows B42 and F13 of KERNEL.md at the level of the ioctl.

J is a submission held by a gate, with an always-valid BO mapped at X and an ordinary one at Y.
"""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu_model.page_table import EntryKind
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.params import MODULE_PARAMETERS
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.vm_fixture import (
    BASE,
    CLEAR,
    MAP,
    MIB,
    PAGE,
    PRT,
    REPLACE,
    UNMAP,
    VRAM,
    Client,
    E,
    Held,
    Machine,
    X,
    Y,
    Z,
    new_gate,
)


def held_with_cpu(kernel: str = "series-fixed") -> Held:
    """J is held, and the CPU writes the page tables of its client."""
    return Held(kernel, vm_update_mode=3)


def jobs(client: Client) -> int:
    """How many page-table jobs the address space has had: every one has a fence of its entity."""
    return client.vm.delayed.fence_seq


def test_entries_are_there_when_the_call_returns() -> None:
    """Tables and entries, without any job, and the update fence has nothing to tell."""
    held = held_with_cpu()
    client = held.client
    assert client.vm.use_cpu_for_update
    out = client.op(MAP, BASE + MIB, client.bo(always_valid=True))
    assert out.fence is not None
    assert out.fence.signaled
    assert client.walk(BASE + MIB).kind is EntryKind.VALID
    assert client.vm.last_update.signaled
    assert jobs(client) == 0


def test_the_option_counts_for_files_opened_later() -> None:
    """One that is open keeps its jobs; -1 and 2 (KFD alone) leave DRM files alone."""
    machine = Machine("series-fixed")
    before = machine.client()
    for mode, cpu in ((3, True), (1, True), (2, False), (0, False), (-1, False)):
        MODULE_PARAMETERS["vm_update_mode"].set(machine.adev, mode)
        assert machine.client().vm.use_cpu_for_update is cpu, mode
    assert not before.vm.use_cpu_for_update
    before.do(MAP, X, before.bo())
    assert jobs(before) > 0


@pytest.mark.parametrize("kernel", ["6.12", "6.18", "base", "series-v1", "series-fixed"])
@pytest.mark.parametrize("operation", [UNMAP, CLEAR, REPLACE])
def test_a_plain_update_blocks_the_caller_until_j_is_done(kernel: str, operation: int) -> None:
    """B42c: it sleeps with the entries unchanged, and they are changed when it returns."""
    held = held_with_cpu(kernel)
    client = held.client
    flags = {"flags": PRT} if operation == REPLACE else {}
    call, _ = client.start(operation, X, held.av if operation == UNMAP else 0, **flags)
    assert not call.done
    assert client.sees(X, held.av), "the entries changed before J was done"
    held.release()
    assert call.done
    assert call.error == 0
    assert not client.sees(X, held.av)


def test_an_explicit_update_returns_at_once() -> None:
    """B42."""
    held = held_with_cpu()
    call, out = held.client.start(REPLACE, X, flags=PRT | E)
    assert call.done
    assert out.signals
    assert held.client.walk(X).kind is EntryKind.PRT
    assert held.j.waits
    held.release()


def test_an_explicit_update_of_an_ordinary_bo_blocks() -> None:
    """The flag is ignored as it is with jobs (B10)."""
    held = held_with_cpu()
    call, _ = held.client.start(REPLACE, Y, flags=PRT | E)
    assert not call.done
    held.release()
    assert call.done


def test_the_lock_is_held_meanwhile() -> None:
    """Other calls that need the page directory sleep, too, as long as the first waits."""
    held = held_with_cpu()
    first, _ = held.client.start(UNMAP, X, held.av)
    other, _ = held.client.start(MAP, Z, flags=PRT)
    assert not first.done
    assert not other.done
    held.release()
    assert first.done
    assert other.done


def test_a_signal_ends_the_wait_and_the_ioctl_succeeds() -> None:
    """F13: ERESTARTSYS is not told; what was to be cleared keeps its entries though its mapping is gone."""
    held = held_with_cpu()
    client = held.client
    call, out = client.start(UNMAP, X, held.av)
    call.interrupt()
    assert call.done
    assert call.error == 0
    assert out.signals
    assert client.sees(X, held.av)
    assert (X, X + PAGE, 0) not in client.mappings()
    assert "Couldn't update BO_VA" not in held.machine.kernel.log.text()
    held.release()


def test_a_killed_caller_gives_the_lock_back() -> None:
    """SIGKILL unwinds the call."""
    held = held_with_cpu()
    call, _ = held.client.start(UNMAP, X, held.av)
    assert call.kill()
    assert not held.client.vm.root_resv.locked
    held.release()


def test_closing_a_mapped_buffer_waits() -> None:
    """GEM_CLOSE clears its entries at once, so it has to wait for J."""
    held = held_with_cpu()
    call, _ = held.client.start_ioctl(held.client.fd, core.IOCTL_GEM_CLOSE, handle=held.ordinary)
    assert not call.settle().done
    held.release()
    assert call.done
    assert held.client.sees(Y)


def test_a_submission_carries_out_what_was_delayed_before_it_is_queued() -> None:
    """And waits for J inside the CS ioctl, as the clear is implicit."""
    held = held_with_cpu()
    client = held.client
    client.do(UNMAP, X, held.av, flags=1)
    assert client.sees(X, held.av)
    held.release()
    assert client.submit().signals
    assert client.sees(X)


def test_entries_wait_for_memory_that_is_being_cleared() -> None:
    """Page tables share the reservation object of always-valid BOs, and such a clear waits for J (E2)."""
    held = held_with_cpu()
    client = held.client
    client.bo(MIB, VRAM, always_valid=True)
    call, _ = client.start(MAP, Z, flags=PRT)
    assert not call.done
    held.release()
    assert call.done
    assert client.walk(Z).kind is EntryKind.PRT


@pytest.mark.parametrize(("kernel", "holds_up"), [("base", False), ("series-v1", True), ("series-fixed", False)])
def test_waiting_for_an_input_fence_locks_the_page_directory_only_on_the_posted_series(
    kernel: str, holds_up: bool
) -> None:
    """F13: with patch 1 input fences are waited for where jobs would wait for them."""
    held = held_with_cpu(kernel)
    held.release()
    client = held.client
    fence = new_gate()
    call, _ = client.start(REPLACE, X, flags=PRT, inputs=(client.syncobj(fence),))
    assert not call.done
    assert client.vm.root_resv.locked is holds_up
    client.open_gate(fence)
    assert call.done
    assert call.error == 0


def test_the_end_of_a_file_waits_in_process_context() -> None:
    """Its handles are closed in a thread of the kernel's, which may have to wait for J as well."""
    held = held_with_cpu()
    held.client.close(held.client.fd)
    held.client.settle()
    held.client.open_gate(held.gate)
    assert held.machine.kernel.oopses == 0
    assert not held.machine.adev.vms
