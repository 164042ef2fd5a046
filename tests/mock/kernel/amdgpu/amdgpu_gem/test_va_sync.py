# SPDX-License-Identifier: MIT
"""What GEM_VA waits for, on every kernel: rows B05 to B25, B30, O1 and O2 of KERNEL.md at the level of the ioctl.

J is a submission held by a gate; OF is an operation's out syncobj. "Signals" and "waits" are meant while J is held.
"""

from __future__ import annotations

import errno

import pytest

from tests.mock.kernel.fake_caller import Call
from tests.mock.kernel.vm_fixture import (
    BASE,
    CLEAR,
    DELAY,
    GTT,
    MAP,
    PAGE,
    PRT,
    REPLACE,
    UNMAP,
    Client,
    E,
    Held,
    Machine,
    X,
    Y,
    Z,
    new_gate,
)

SCRATCH = Z + PAGE

WITH_FENCES = ["6.18", "base", "series-v1", "series-fixed"]
BEFORE = ["6.18", "base"]
SERIES = ["series-v1", "series-fixed"]

all_kernels = pytest.mark.parametrize("kernel", WITH_FENCES)
series = pytest.mark.parametrize("kernel", SERIES)
before_series = pytest.mark.parametrize("kernel", BEFORE)


# -- the flag -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["6.12", *BEFORE])
def test_b01_b02_without_the_series_the_flag_is_an_unknown_flag(kernel: str) -> None:
    """CLEAR with bit 10 on unused addresses: EINVAL, which is the feature probe."""
    client = Machine(kernel).client()
    assert client.errno(CLEAR, X, flags=E) == errno.EINVAL
    assert client.errno(MAP, X, flags=E | PRT) == errno.EINVAL


@series
def test_b01_b02_with_the_series_the_flag_is_as_if_absent_where_it_means_nothing(kernel: str) -> None:
    """CLEAR of nothing and a PRT map with the flag succeed."""
    client = Machine(kernel).client()
    assert client.errno(CLEAR, X, flags=E) == 0
    assert client.errno(MAP, X, flags=E | PRT) == 0
    assert client.errno(UNMAP, X, flags=E | PRT) == 0


# -- implicit -----------------------------------------------------------------------------------------------------


@all_kernels
def test_b05_implicit_replace_by_prt_waits_for_jobs_of_the_vm(kernel: str) -> None:
    """B05: the old pages may be in use by J, so the unmap waits for it."""
    held = Held(kernel)
    out = held.client.op(REPLACE, X, flags=PRT)
    assert out.waits
    assert held.client.sees(X, held.av), "the page tables changed before J was done"
    held.release()
    assert out.signals


@pytest.mark.parametrize("operation", [UNMAP, CLEAR])
@all_kernels
def test_implicit_unmap_and_clear_wait(kernel: str, operation: int) -> None:
    """The control of B07 and B09."""
    held = Held(kernel)
    out = held.client.op(operation, X, held.av)
    assert out.waits
    held.release()
    assert out.signals
    assert held.client.sees(X)


# -- explicit -----------------------------------------------------------------------------------------------------


@series
def test_b06_b22_explicit_replace_by_prt_takes_effect_at_once(kernel: str) -> None:
    """B06, B22: J is not waited for and still completes."""
    held = Held(kernel)
    out = held.client.op(REPLACE, X, flags=PRT | E)
    assert out.signals
    assert held.client.walk(X).kind.name == "PRT"
    assert held.j.waits
    held.release()


@pytest.mark.parametrize("operation", [UNMAP, CLEAR])
@series
def test_b07_explicit_unmap_of_an_always_valid_bo(kernel: str, operation: int) -> None:
    """B07: its memory outlives every job of the VM, so nothing can go wrong."""
    held = Held(kernel)
    assert held.client.op(operation, X, held.av, flags=E).signals
    assert held.client.sees(X)
    held.release()


@series
def test_b08_explicit_replace_of_prt_by_an_always_valid_bo(kernel: str) -> None:
    """B08: PRT pages have no memory."""
    held = Held(kernel)
    assert held.client.op(MAP, Z, flags=PRT).signals
    assert held.client.op(REPLACE, Z, held.spare_av, flags=E | 2).signals
    assert held.client.sees(Z, held.spare_av)
    held.release()


@series
def test_b09_explicit_clear_and_unmap_of_prt(kernel: str) -> None:
    """B09: CLEAR, and UNMAP with handle 0 and the PRT flag."""
    held = Held(kernel)
    for operation, flags in ((CLEAR, E), (UNMAP, E | PRT)):
        assert held.client.op(MAP, Z, flags=PRT).signals
        assert held.client.op(operation, Z, flags=flags).signals
    held.release()


@pytest.mark.parametrize(("operation", "flags"), [(REPLACE, E | PRT), (CLEAR, E), (UNMAP, E)])
@series
def test_b10_explicit_is_not_honoured_for_ordinary_bos(kernel: str, operation: int, flags: int) -> None:
    """B10: their memory could be freed under a job that still uses it."""
    held = Held(kernel)
    out = held.client.op(operation, Y, held.ordinary, flags=flags)
    assert out.waits
    assert held.client.sees(Y, held.ordinary)
    held.release()
    assert out.signals


@pytest.mark.parametrize("map_first", ["low", "high"])
@pytest.mark.parametrize("av_first", [True, False])
@series
def test_b11_one_ordinary_mapping_makes_the_whole_operation_implicit(
    kernel: str, av_first: bool, map_first: str
) -> None:
    """B11, in both orders of address and of mapping."""
    machine = Machine(kernel)
    client = machine.client()
    bos = [client.bo(always_valid=True), client.bo()]
    if not av_first:
        bos.reverse()
    layout = [(X, bos[0]), (Y, bos[1])]
    for va, bo in layout if map_first == "low" else reversed(layout):
        client.do(MAP, va, bo)
    gate = new_gate()
    client.submit(gate)
    out = client.op(CLEAR, X, size=2 * PAGE, flags=E)
    assert out.waits
    client.open_gate(gate)
    assert out.signals


@series
def test_b12_always_valid_and_prt_and_a_hole_together_are_explicit(kernel: str) -> None:
    """B12."""
    held = Held(kernel)
    assert held.client.op(UNMAP, X, held.av, flags=E).signals
    assert held.client.op(MAP, Z, held.av).signals
    assert held.client.op(MAP, SCRATCH + PAGE, flags=PRT).signals
    assert held.client.op(CLEAR, Z, size=3 * PAGE, flags=E).signals
    held.release()


# -- several operations -------------------------------------------------------------------------------------------


@series
def test_b13_an_explicit_unmap_behind_an_implicit_one_waits_in_the_queue(kernel: str) -> None:
    """B13: one FIFO for each VM."""
    held = Held(kernel)
    first = held.client.op(UNMAP, Y, held.ordinary)
    second = held.client.op(UNMAP, X, held.av, flags=E)
    assert first.waits
    assert second.waits
    held.release()
    assert first.signals
    assert second.signals


@series
def test_b14_b15_the_flag_belongs_to_one_operation(kernel: str) -> None:
    """B14, B15: what comes after an explicit operation is implicit again."""
    held = Held(kernel)
    first = held.client.op(UNMAP, X, held.av, flags=E)
    assert first.signals
    held.client.do(MAP, X, held.spare_av)
    second = held.client.op(UNMAP, X, held.spare_av)
    assert first.signals
    assert second.waits
    held.release()
    assert second.signals


@all_kernels
def test_b16_maps_do_not_wait_for_jobs(kernel: str) -> None:
    """B16, E1, F9: nothing is freed, so there is nothing to wait for."""
    held = Held(kernel)
    assert held.client.op(MAP, Z, held.av).signals
    assert held.client.op(MAP, SCRATCH, held.ordinary).signals
    assert held.client.op(MAP, SCRATCH + PAGE, flags=PRT).signals
    held.release()


def test_b16_up_to_6_12_prt_maps_wait_for_jobs() -> None:
    """E7: only the page tables show it, there are no out fences."""
    held = Held("6.12")
    held.client.do(MAP, Z, held.av)
    assert held.client.sees(Z, held.av)
    held.client.do(MAP, SCRATCH, flags=PRT)
    assert held.client.sees(SCRATCH)
    held.release()
    assert held.client.walk(SCRATCH).kind.name == "PRT"


@series
def test_b17_explicit_has_no_effect_on_a_map(kernel: str) -> None:
    """B17."""
    held = Held(kernel)
    assert held.client.op(MAP, Z, held.av, flags=2 | E).signals
    held.release()


@all_kernels
def test_b18_jobs_of_another_vm_never_matter(kernel: str) -> None:
    """B18: the same operations in another file."""
    held = Held(kernel)
    other = held.machine.client()
    bo = other.bo(always_valid=True)
    other.do(MAP, X, bo)
    assert other.op(REPLACE, X, flags=PRT).signals
    if kernel in SERIES:
        assert other.op(REPLACE, X, bo, flags=2 | E).signals
    held.release()


@pytest.mark.parametrize(("ctx", "ring"), [(1, 0), (0, 1)])
@all_kernels
def test_b19_context_and_ring_of_the_job_do_not_matter(kernel: str, ctx: int, ring: int) -> None:
    """B19."""
    client = Machine(kernel).client()
    av = client.bo(always_valid=True)
    client.do(MAP, X, av)
    gate = new_gate()
    client.submit(gate, ctx=ctx, ring=ring)
    if kernel in SERIES:
        assert client.op(REPLACE, X, flags=PRT | E).signals
        assert client.op(REPLACE, X, av, flags=2 | E).signals
    out = client.op(REPLACE, X, flags=PRT)
    assert out.waits
    client.open_gate(gate)
    assert out.signals


@all_kernels
def test_b20_b21_a_stalled_replace_stalls_later_submissions_an_explicit_one_does_not(kernel: str) -> None:
    """B20, B21: that is what the series is for."""
    held = Held(kernel)
    if kernel in SERIES:
        assert held.client.op(REPLACE, X, flags=PRT | E).signals
        assert held.client.submit(ctx=1).signals, "a submission behind an explicit unmap was held up"
        assert held.client.op(REPLACE, X, held.av, flags=2 | E).signals
    held.client.op(REPLACE, X, flags=PRT)
    later = held.client.submit(ctx=2)
    assert later.waits
    held.release()
    assert later.signals


@pytest.mark.parametrize(("kernel", "stalls"), [("6.18", False), ("base", True), ("series-v1", True)])
def test_a_pure_unmap_stalls_later_submissions_since_base(kernel: str, stalls: bool) -> None:
    """KERNEL.md 3.6, E14: since the fence rework clears feed vm->last_update."""
    held = Held(kernel)
    held.client.do(UNMAP, Y, held.ordinary)
    later = held.client.submit(ctx=1)
    assert later.waits is stalls
    held.release()
    assert later.signals


# -- input fences -------------------------------------------------------------------------------------------------


def start_with_input(client: Client, operation: int, va: int, handle: int, **fields: int) -> tuple[Call, object]:
    """An operation with one unsignalled input fence; the call and the fence."""
    gate = new_gate()
    call, out = client.start(operation, va, handle, inputs=(client.syncobj(gate),), **fields)
    return call, (gate, out)


@pytest.mark.parametrize(("operation", "row"), [(REPLACE, "B23"), (MAP, "B25")])
@before_series
def test_b23_b25_without_the_series_input_fences_block_the_ioctl(kernel: str, operation: int, row: str) -> None:
    """B23, B25 on U: the call returns when the fence has signalled, and nobody can kill it before."""
    client = Machine(kernel).client()
    bo = client.bo(always_valid=True)
    gate = new_gate()
    call, out = client.start(operation, X, bo, inputs=(client.syncobj(gate),))
    assert not call.done, f"{row}: the ioctl did not wait"
    assert not call.kill(), f"{row}: the wait was killable"
    assert client.mappings() == [], "the tree changed before the input fence signalled"
    client.open_gate(gate)
    assert (call.done, call.error) == (True, 0)
    assert out.signals


@pytest.mark.parametrize(("operation", "row"), [(REPLACE, "B23"), (MAP, "B25")])
@series
def test_b23_b25_with_the_series_the_update_waits_not_the_caller(kernel: str, operation: int, row: str) -> None:
    """B23, B25 on P."""
    client = Machine(kernel).client()
    bo = client.bo(always_valid=True)
    gate = new_gate()
    call, out = client.start(operation, X, bo, inputs=(client.syncobj(gate),))
    assert (call.done, call.error) == (True, 0), f"{row}: the ioctl waited"
    assert client.mappings() == [(X, X + PAGE, 0)]
    assert out.waits
    assert client.sees(X)
    client.open_gate(gate)
    assert out.signals
    assert client.sees(X, bo)


@series
def test_b24_an_explicit_replace_waits_for_its_input_fence_only(kernel: str) -> None:
    """B24."""
    held = Held(kernel)
    gate = new_gate()
    out = held.client.op(REPLACE, X, flags=PRT | E, inputs=(held.client.syncobj(gate),))
    assert out.waits
    held.client.open_gate(gate)
    assert out.signals
    assert held.j.waits
    held.release()


@series
def test_b27_all_input_fences_count_in_either_order(kernel: str) -> None:
    """B27."""
    for order in ((0, 1), (1, 0)):
        client = Machine(kernel).client()
        gates = [new_gate(), new_gate()]
        out = client.op(MAP, X, flags=PRT, inputs=[client.syncobj(gate) for gate in gates])
        client.open_gate(gates[order[0]])
        assert out.waits
        client.open_gate(gates[order[1]])
        assert out.signals


@all_kernels
def test_b28_bad_input_handles_leave_the_tree_alone(kernel: str) -> None:
    """B28: 0 is EINVAL, unknown ENOENT, without a fence EINVAL."""
    client = Machine(kernel).client()
    bo = client.bo()
    empty = client.syncobj()
    for handle, number in ((0, errno.EINVAL), (999, errno.ENOENT), (empty, errno.EINVAL)):
        assert client.errno(MAP, X, bo, inputs=(handle,)) == number
        assert client.mappings() == []
    assert client.errno(MAP, X, bo, num_syncobj_handles=1, input_fence_syncobj_handles=16) == errno.EFAULT
    assert client.errno(MAP, X, bo) == 0


def test_6_12_ignores_fences() -> None:
    """The fields do not exist there: no error, no wait, the syncobj stays as it is."""
    client = Machine("6.12").client()
    out = client.syncobj()
    bo = client.bo()
    client.do(MAP, X, bo, vm_timeline_syncobj_out=out, inputs=(999,))
    assert client.syncobj_fence(out) is None
    assert client.sees(X, bo)


# -- the findings that tell the posted series from the mended one -------------------------------------------------


@pytest.mark.parametrize(("kernel", "signals"), [("series-v1", True), ("series-fixed", False)])
def test_b30_input_fence_of_an_operation_without_a_job(kernel: str, signals: bool) -> None:
    """B30, F4: the posted series forgets it, the mended one puts it into the out fence."""
    client = Machine(kernel).client()
    gate = new_gate()
    out = client.op(CLEAR, X, inputs=(client.syncobj(gate),))
    assert out.signals is signals
    client.open_gate(gate)
    assert out.signals


@pytest.mark.parametrize(("kernel", "waits"), [("base", True), ("series-v1", False), ("series-fixed", True)])
@pytest.mark.parametrize("row", ["O1", "O2"])
def test_o1_o2_a_delayed_unmap_is_covered_by_the_next_operation(kernel: str, waits: bool, row: str) -> None:
    """O1, O2, F1, F5: "batch with DELAY, flush with the last" does not work on the posted series."""
    held = Held(kernel)
    held.client.do(UNMAP, X, held.av, flags=DELAY)
    out = held.client.op(MAP, SCRATCH, held.av) if row == "O1" else held.client.op(CLEAR, SCRATCH)
    assert out.waits is waits
    held.release()
    assert out.signals
    assert held.client.sees(X) is waits, "whether the delayed unmap has reached the page tables"


@series
def test_b31_b35_delayed_work_is_flushed_implicitly_by_a_submission(kernel: str) -> None:
    """B35, F6: DELAY makes the explicit flag meaningless."""
    held = Held(kernel)
    held.client.do(UNMAP, X, held.av, flags=DELAY | E)
    held.client.submit(ctx=1)
    assert held.client.sees(X, held.av), "the delayed unmap did not wait for J"
    held.release()
    assert held.client.sees(X)


@pytest.mark.parametrize(("kernel", "survives"), [("base", True), ("series-v1", False), ("series-fixed", True)])
def test_b33_a_range_mapped_again_after_a_delayed_unmap(kernel: str, survives: bool) -> None:
    """B33, F1: the posted series zeroes the new mapping with the next submission."""
    client = Machine(kernel).client()
    old, new = client.bo(), client.bo()
    client.do(MAP, X, old)
    client.do(UNMAP, X, old, flags=DELAY)
    client.do(MAP, X, new)
    assert client.sees(X, new)
    client.submit()
    client.settle()
    assert client.sees(X, new) is survives


@pytest.mark.parametrize(("kernel", "error"), [("6.18", 0), ("base", errno.EINVAL), ("series-fixed", errno.EINVAL)])
def test_b32_delay_with_an_out_syncobj(kernel: str, error: int) -> None:
    """B32: refused since base, before that the syncobj was never touched."""
    client = Machine(kernel).client()
    out = client.syncobj()
    assert client.errno(MAP, X, flags=PRT | DELAY, vm_timeline_syncobj_out=out) == error
    assert client.syncobj_fence(out) is None


@pytest.mark.parametrize(("kernel", "intact"), [("base", True), ("series-v1", False), ("series-fixed", True)])
def test_b36_splitting_a_huge_entry_explicitly(kernel: str, intact: bool) -> None:
    """B36, F7: neighbours of an explicitly cleared page are gone until the next submission on the posted series."""
    client = Machine(kernel).client()
    bo = client.bo(size=2 << 20, always_valid=True, domain=GTT)
    huge = BASE
    client.do(MAP, huge, bo, size=2 << 20)
    client.submit()
    gate = new_gate()
    client.submit(gate)
    client.do(CLEAR, huge + 16 * PAGE, flags=E if kernel in SERIES else 0)
    assert client.sees(huge + 17 * PAGE, bo, 17 * PAGE) is intact
    client.open_gate(gate)
    client.submit()
    client.settle()
    assert client.sees(huge + 17 * PAGE, bo, 17 * PAGE)
    assert client.sees(huge + 16 * PAGE)


# -- memory that is being cleared ---------------------------------------------------------------------------------


@series
def test_o8_an_always_valid_vram_bo_created_behind_a_job_holds_up_every_update(kernel: str) -> None:
    """O8, E2: its clear waits for J, and as a KERNEL fence on the root reservation object everything waits for it."""
    held = Held(kernel)
    fresh = held.client.bo(domain=4, always_valid=True)
    out = held.client.op(UNMAP, X, held.av, flags=E)
    assert out.waits
    held.release()
    assert out.signals
    assert held.client.op(MAP, Z, fresh).signals


@all_kernels
def test_a_gtt_bo_created_behind_a_job_holds_up_nothing(kernel: str) -> None:
    """E2 rule 4: there is no clear job for GTT."""
    held = Held(kernel)
    fresh = held.client.bo(domain=GTT, always_valid=True)
    assert held.client.op(MAP, Z, fresh).signals
    held.release()
