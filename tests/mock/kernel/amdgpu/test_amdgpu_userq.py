# SPDX-License-Identifier: MIT
"""User queues: who may have one, what their fences say, and that no end of one leaves anybody waiting (F12)."""

from __future__ import annotations

import errno
import time
from typing import Any

import pytest

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.recover import amdgpu_device_gpu_recover
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.drv import remove
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.params import MODULE_PARAMETERS, UnknownParameter
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_reset import ResetSource
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.errno_ import ENOTSUPP
from amdgpu_hw.packets import Engine, Pm4, codec_for
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import amdgpu_info as info
from tests.mock.kernel.fake_caller import MEMORY_BASE, MEMORY_SIZE
from tests.mock.kernel.vm_fixture import BASE, MAP, PAGE, PRT, REPLACE, UNMAP, E, Machine, new_gate

RING, RPTR, WPTR, EOP, X = (0x2_0000_0000 + i * PAGE for i in range(5))
CREATE, FREE = drm.AMDGPU_USERQ_OP_CREATE, drm.AMDGPU_USERQ_OP_FREE
DOORBELL = 4


class Queue:
    """A client with a user queue of one page of ring."""

    def __init__(self, machine: Machine, **changed: Any) -> None:
        self.client = client = machine.client()
        self.memory = {va: client.bo() for va in (RING, RPTR, WPTR, EOP)}
        for va, handle in self.memory.items():
            client.do(MAP, va, handle)
        self.doorbell = client.bo(domain=drm.AMDGPU_GEM_DOMAIN_DOORBELL)
        packets = codec_for(Engine.COMPUTE, machine.adev.identity.gc_version, machine.adev.identity.sdma_version)
        assert isinstance(packets, Pm4)
        self.packets = packets
        self.filled = 0
        self.arguments: dict[str, Any] = {
            "op": CREATE,
            "ip_type": drm.AMDGPU_HW_IP_COMPUTE,
            "doorbell_handle": self.doorbell,
            "doorbell_offset": DOORBELL,
            "queue_va": RING,
            "queue_size": PAGE,
            "rptr_va": RPTR,
            "wptr_va": WPTR,
            "mqd": client.alloc(drm.USERQ_MQD_COMPUTE_GFX11.pack(eop_va=EOP)),
            "mqd_size": 8,
            **changed,
        }
        self.id = 0

    def make(self) -> Queue:
        """Have the kernel make it."""
        self.id = self.client.ioctl(self.client.fd, drm.IOCTL_AMDGPU_USERQ, **self.arguments)["op"]
        return self

    def errno(self, **changed: Any) -> int:
        """The errno that it refuses such a queue with."""
        return self.client.fails(self.client.fd, drm.IOCTL_AMDGPU_USERQ, **(self.arguments | changed))

    def put(self, dwords: list[int]) -> None:
        """Fill the ring, and say so in the write pointer."""
        for dword in dwords:
            self._write(self.memory[RING], 4 * self.filled % PAGE, dword.to_bytes(4, "little"))
            self.filled += 1
        self._write(self.memory[WPTR], 0, self.filled.to_bytes(8, "little"))

    def put_fence(self) -> None:
        """A no-operation, and what tells of it."""
        self.put([*self.packets.nop(), *self.packets.protected_fence_signal()])

    def ring_doorbell(self) -> None:
        """Have it executed, and wait for that: the model looks at doorbells now and then."""
        self._write(self.doorbell, 8 * DOORBELL, self.filled.to_bytes(8, "little"))
        give_up = time.monotonic() + 10
        while self.rptr != self.filled and time.monotonic() < give_up:
            time.sleep(0.001)
            self.client.settle()
        assert self.rptr == self.filled, "the doorbell was not heard"

    @property
    def rptr(self) -> int:
        """How far it is, as the hardware tells in memory."""
        start = self.client.object(self.memory[RPTR]).host
        return int.from_bytes(self.client.adev.gpu.memory.host.map[start : start + 8], "little")

    def signal(self, *written: int, read: tuple[int, ...] = ()) -> DmaFence:
        """USERQ_SIGNAL for a new syncobj and buffers; the fence."""
        syncobj = self.client.syncobj()
        self.client.ioctl(
            self.client.fd,
            drm.IOCTL_AMDGPU_USERQ_SIGNAL,
            queue_id=self.id,
            syncobj_handles=self.client.u32s(syncobj),
            num_syncobj_handles=1,
            bo_read_handles=self.client.u32s(*read),
            bo_write_handles=self.client.u32s(*written),
            num_bo_read_handles=len(read),
            num_bo_write_handles=len(written),
        )
        fence = self.client.syncobj_fence(syncobj)
        assert fence is not None
        return fence

    def free(self) -> Any:
        """Start to free it."""
        call, _ = self.client.start_ioctl(self.client.fd, drm.IOCTL_AMDGPU_USERQ, op=FREE, queue_id=self.id)
        return call.settle()

    def _write(self, handle: int, offset: int, data: bytes) -> None:
        start = self.client.object(handle).host + offset
        self.client.adev.gpu.memory.host.map[start : start + len(data)] = data


def machine_with(user_queue: int = 1, kernel: str = "series-fixed", gpu: str = "navi31") -> Machine:
    """A machine whose driver has that parameter."""
    machine = Machine(kernel, gpu)
    MODULE_PARAMETERS["user_queue"].set(machine.adev, user_queue)
    return machine


@pytest.fixture
def queue() -> Queue:
    """A queue on a machine that offers them."""
    return Queue(machine_with()).make()


# -- who may have one ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user_queue", "gpu", "kernel"), [(-1, "navi31", "base"), (0, "navi48", "base"), (1, "navi21", "base")]
)
def test_without_them_every_call_says_so(user_queue: int, gpu: str, kernel: str) -> None:
    """By default, and before GFX11: ENOTSUPP, and DEV_INFO has no IP."""
    machine = machine_with(user_queue, kernel, gpu)
    client = machine.client()
    for ioctl in (drm.IOCTL_AMDGPU_USERQ, drm.IOCTL_AMDGPU_USERQ_SIGNAL, drm.IOCTL_AMDGPU_USERQ_WAIT):
        assert client.fails(client.fd, ioctl) == ENOTSUPP
    assert info.INFO_DEVICE.as_dict(machine.adev.dev_info)["userq_ip_mask"] == 0


def test_compute_queues_are_offered_and_wait_is_refused_with_a_word() -> None:
    """What is not modelled says so in the log."""
    machine = machine_with()
    client = machine.client()
    assert info.INFO_DEVICE.as_dict(machine.adev.dev_info)["userq_ip_mask"] == 1 << drm.AMDGPU_HW_IP_COMPUTE
    assert client.fails(client.fd, drm.IOCTL_AMDGPU_USERQ_WAIT) == errno.EOPNOTSUPP
    assert "USERQ_WAIT is not modelled" in machine.kernel.log.text()


def test_what_the_model_has_not_is_no_value_of_the_parameter() -> None:
    """2 would take the kernel's queues away."""
    with pytest.raises(UnknownParameter, match="user_queue can be -1, 0 or 1 here, not 2"):
        machine_with(2)


@pytest.mark.parametrize(
    "changed",
    [
        {"op": 3},
        {"flags": 8},
        {"ip_type": 9},
        {"ip_type": drm.AMDGPU_HW_IP_GFX},
        {"queue_va": 0},
        {"queue_va": BASE},
        {"queue_size": PAGE // 2},
        {"queue_size": 3 * PAGE},
        {"queue_size": 2 * PAGE, "queue_va": EOP},
        {"wptr_va": 0},
        {"rptr_va": BASE},
        {"doorbell_handle": 0x7FFF},
        {"doorbell_offset": PAGE // 8},
        {"mqd_size": 24},
    ],
    ids=str,
)
def test_a_queue_that_could_not_run_is_refused(changed: dict[str, int]) -> None:
    """EINVAL, and nothing is left of it."""
    queue = Queue(machine_with())
    assert queue.errno(**changed) == errno.EINVAL
    assert not queue.client.adev.userqs


def test_a_write_pointer_shares_its_buffer_with_nothing_else() -> None:
    """The firmware sees the whole BO (mes_userq_create_wptr_mapping); and the doorbell is one."""
    queue = Queue(machine_with())
    large = queue.client.bo(size=2 * PAGE)
    queue.client.do(MAP, BASE, large, size=2 * PAGE)
    assert queue.errno(wptr_va=BASE) == errno.EINVAL
    assert queue.errno(doorbell_handle=large) == errno.EINVAL
    assert queue.errno(mqd=1) == errno.EFAULT
    queue.client.do(MAP, BASE + 16 * PAGE, flags=PRT)
    assert queue.errno(rptr_va=BASE + 16 * PAGE) == errno.EINVAL


def test_pointers_are_in_memory_of_the_driver() -> None:
    """EINVAL in a PRT range, in the client's own pages and across the end of a buffer; the doorbell is not kept."""
    queue = Queue(machine_with())
    client = queue.client
    client.do(MAP, BASE, flags=PRT)
    user = client.ioctl(
        client.fd,
        drm.IOCTL_AMDGPU_GEM_USERPTR,
        addr=MEMORY_BASE + MEMORY_SIZE // 2,
        size=PAGE,
        flags=drm.AMDGPU_GEM_USERPTR_REGISTER | drm.AMDGPU_GEM_USERPTR_VALIDATE,
    )
    client.do(MAP, X, user["handle"])
    for place in (BASE, X, RPTR + PAGE - 4):
        assert queue.errno(rptr_va=place) == errno.EINVAL, hex(place)
    assert not client.adev.userqs
    assert client.object(queue.doorbell).refcount == 1


def test_a_queue_is_freed_by_its_number_alone(queue: Queue) -> None:
    """ENOENT for another, EINVAL with anything else that would mean something."""
    client = queue.client
    assert client.fails(client.fd, drm.IOCTL_AMDGPU_USERQ, op=FREE, queue_id=99) == errno.ENOENT
    assert client.fails(client.fd, drm.IOCTL_AMDGPU_USERQ, op=FREE, queue_id=queue.id, flags=1) == errno.EINVAL
    assert queue.free().error == 0
    assert not client.adev.userqs
    assert client.fails(client.fd, drm.IOCTL_AMDGPU_USERQ, op=FREE, queue_id=queue.id) == errno.ENOENT


def test_signal_checks_what_it_is_given(queue: Queue) -> None:
    """Numbers, arrays, syncobjs, buffers, the queue: in that order."""
    client = queue.client

    def refused(**fields: int) -> int:
        return client.fails(client.fd, drm.IOCTL_AMDGPU_USERQ_SIGNAL, **({"queue_id": queue.id} | fields))

    bad = client.u32s(0x7FFF)
    assert refused(num_bo_write_handles=(1 << 16) + 1) == errno.EINVAL
    assert refused(num_syncobj_handles=1, syncobj_handles=8) == errno.EFAULT
    assert refused(num_syncobj_handles=1, syncobj_handles=bad, bo_read_handles=8, num_bo_read_handles=1) == errno.ENOENT
    assert refused(num_bo_read_handles=1, bo_read_handles=bad) == errno.ENOENT
    assert refused(num_bo_write_handles=1, bo_write_handles=bad) == errno.ENOENT
    assert refused(queue_id=99) == errno.ENOENT
    assert refused() == 0


# -- what its fences say ------------------------------------------------------------------------------------------


def test_a_fence_signals_when_the_ring_has_been_executed_so_far(queue: Queue) -> None:
    """Not before the doorbell rings; of two the first has to wait for less."""
    queue.put_fence()
    first = queue.signal()
    queue.put_fence()
    second = queue.signal()
    queue.client.settle()
    assert not first.signaled
    assert (first.seqno, second.seqno) == (3, 6)
    queue.ring_doorbell()
    assert first.signaled
    assert second.signaled
    assert queue.rptr == 6
    assert queue.signal().signaled, "what is in the ring had been executed before"


def test_the_ring_goes_round(queue: Queue) -> None:
    """Pointers count on; a packet may follow the one at the end of the ring."""
    for _ in range(3):
        queue.put(queue.packets.nop() * 700)
        queue.ring_doorbell()
    queue.put_fence()
    fence = queue.signal()
    queue.ring_doorbell()
    assert fence.signaled
    assert fence.seqno == 2103


def test_a_doorbell_that_makes_no_sense_is_not_heard(queue: Queue) -> None:
    """More than the ring holds, or less than before."""
    queue.put_fence()
    queue._write(queue.doorbell, 8 * DOORBELL, (1 << 40).to_bytes(8, "little"))
    time.sleep(0.002)
    queue.client.settle()
    assert queue.rptr == 0


def test_everybody_waits_for_its_fence_in_every_mode(queue: Queue) -> None:
    """F12: an explicit unmap, too, as nobody owns it; once it has signalled nobody does."""
    client = queue.client
    always_valid = client.bo(always_valid=True)
    client.do(MAP, X, always_valid)
    queue.put_fence()
    queue.signal(always_valid)
    out = client.op(UNMAP, X, always_valid, flags=E)
    assert out.waits
    other = client.op(REPLACE, BASE, flags=PRT | E)
    assert other.waits, "page-table jobs of one address space run in order"
    queue.ring_doorbell()
    assert out.signals
    assert other.signals


def test_a_fence_that_reads_a_buffer_is_waited_for_as_well(queue: Queue) -> None:
    """READ fences are looked at (KERNEL.md 4.2)."""
    client = queue.client
    always_valid = client.bo(always_valid=True)
    client.do(MAP, X, always_valid)
    queue.put_fence()
    queue.signal(read=(always_valid,))
    assert client.op(UNMAP, X, always_valid, flags=E).waits
    queue.ring_doorbell()


# -- how it may end -----------------------------------------------------------------------------------------------


def test_freeing_waits_for_its_fences(queue: Queue) -> None:
    """Uninterruptibly (amdgpu_userq_destroy); what nobody has asked a fence of is dropped."""
    queue.put_fence()
    queue.signal()
    call = queue.free()
    assert not call.done
    assert not call.interrupt().done
    queue.ring_doorbell()
    assert call.done
    assert not queue.client.adev.userqs


def test_a_queue_that_hangs_is_reset_and_its_fences_are_cancelled(queue: Queue) -> None:
    """Nobody rings the doorbell: ECANCELED after the timeout."""
    kernel = queue.client.kernel
    queue.put_fence()
    fence = queue.signal()
    deadline = kernel.now() + queue.client.adev.variant.compute_lockup_timeout_ns
    kernel.timers.run_due(deadline - 100_000_000)
    assert not fence.signaled
    kernel.timers.run_due(deadline + 100_000_000)
    assert fence.get_status() == -errno.ECANCELED
    assert "user queue userq0 hangs" in kernel.log.text()
    assert queue.free().done


@pytest.mark.parametrize("end", ["reset", "unplug"])
def test_what_ends_the_gpu_ends_its_queues(queue: Queue, end: str) -> None:
    """Their fences are cancelled, and files can be closed."""
    queue.put_fence()
    fence = queue.signal()
    adev = queue.client.adev
    if end == "reset":
        amdgpu_device_gpu_recover(adev, None, ResetSource.USER)
    else:
        remove(adev)
    assert fence.get_status() == -errno.ECANCELED
    queue.client.close(queue.client.fd)
    queue.client.settle()
    assert not adev.userqs
    assert queue.client.kernel.oopses == 0


def test_the_end_of_its_file_ends_a_queue(queue: Queue) -> None:
    """Once its fences have signalled; the memory that it used stays till then."""
    client, adev = queue.client, queue.client.adev
    queue.put_fence()
    fence = queue.signal()
    client.close(client.fd)
    client.settle()
    assert adev.userqs
    adev.kernel.timers.run_due(adev.kernel.now() + adev.variant.compute_lockup_timeout_ns + 1)
    client.settle()
    assert fence.signaled
    assert not adev.userqs
    assert not adev.vms
    assert adev.kernel.oopses == 0


# -- what kernels do otherwise ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "error"), [("series-fixed", 0), ("7.2", 0), ("7.3", errno.EINVAL)])
@pytest.mark.parametrize("name", ["rptr_va", "wptr_va"])
def test_7_3_wants_pointers_at_qwords(kernel: str, error: int, name: str) -> None:
    """amdgpu_userq_input_args_validate; before, the page that they are in was looked at alone."""
    queue = Queue(machine_with(kernel=kernel))
    assert queue.errno(**{name: queue.arguments[name] + 4}) == error


@pytest.mark.parametrize(("kernel", "error"), [("7.2", 0), ("7.3", errno.EINVAL)])
def test_7_3_wants_a_ring_mapped_to_its_last_byte(kernel: str, error: int) -> None:
    """One that begins in the middle of a page ends in another one (amdgpu_userq_input_va_validate)."""
    queue = Queue(machine_with(kernel=kernel))
    client = queue.client
    client.do(UNMAP, RPTR, queue.memory[RPTR])
    client.do(MAP, BASE, queue.memory[RPTR])
    assert queue.errno(queue_va=RING + 256, rptr_va=BASE) == error


@pytest.mark.parametrize(("kernel", "error"), [("series-fixed", 0), ("7.2", errno.EBUSY), ("7.3", errno.EBUSY)])
def test_a_doorbell_belongs_to_one_queue(kernel: str, error: int) -> None:
    """xa_insert refuses an index that is taken; another one in the same BO is fine."""
    queue = Queue(machine_with(kernel=kernel)).make()
    assert queue.errno() == error
    assert queue.errno(doorbell_offset=DOORBELL + 1) == 0


@pytest.mark.parametrize(("kernel", "error"), [("series-fixed", 0), ("7.3", errno.EINVAL)])
def test_a_doorbell_that_was_placed_elsewhere_is_none(kernel: str, error: int) -> None:
    """SET_PLACEMENT leaves it where it is, but 7.2 and 7.3 would have to move it (preferred_domains)."""
    queue = Queue(machine_with(kernel=kernel))
    operation = {"handle": queue.doorbell, "op": drm.AMDGPU_GEM_OP_SET_PLACEMENT, "value": drm.AMDGPU_GEM_DOMAIN_GTT}
    queue.client.ioctl(queue.client.fd, drm.IOCTL_AMDGPU_GEM_OP, **operation)
    assert queue.errno() == error


def test_a_file_has_512_queues() -> None:
    """XA_LIMIT(1, AMDGPU_MAX_USERQ_COUNT); one more is EBUSY."""
    queue = Queue(machine_with(kernel="7.3"))
    client = queue.client
    doorbells = client.bo(size=2 * PAGE, domain=drm.AMDGPU_GEM_DOMAIN_DOORBELL)
    ids = [
        client.ioctl(
            client.fd,
            drm.IOCTL_AMDGPU_USERQ,
            **(queue.arguments | {"doorbell_handle": doorbells, "doorbell_offset": i}),
        )["op"]
        for i in range(512)
    ]
    assert ids == list(range(1, 513))
    assert queue.errno(doorbell_handle=doorbells, doorbell_offset=512) == errno.EBUSY


@pytest.mark.parametrize(
    ("kernel", "first"), [("series-fixed", -errno.ECANCELED), ("7.2", 1), ("7.3", 1)], ids=["base", "7.2", "7.3"]
)
def test_which_fences_of_a_reset_queue_tell_of_it(kernel: str, first: int) -> None:
    """In 7.2 and 7.3 only the last one (amdgpu_userq_fence_driver_force_completion)."""
    queue = Queue(machine_with(kernel=kernel)).make()
    queue.put_fence()
    fences = [queue.signal()]
    queue.put_fence()
    fences.append(queue.signal())
    amdgpu_device_gpu_recover(queue.client.adev, None, ResetSource.USER)
    assert [fence.get_status() for fence in fences] == [first, -errno.ECANCELED]


@pytest.mark.parametrize(("kernel", "error"), [("series-fixed", errno.EINVAL), ("7.3", 0)])
def test_the_number_of_syncobjs_is_16_bits_wide(kernel: str, error: int) -> None:
    """What was the upper part of the field is padding in 7.2 and 7.3, which nobody looks at."""
    queue = Queue(machine_with(kernel=kernel)).make()
    fields = {"queue_id": queue.id, "num_syncobj_handles": 1 << 32}
    assert queue.client.fails(queue.client.fd, drm.IOCTL_AMDGPU_USERQ_SIGNAL, **fields) == error


@pytest.mark.parametrize(
    ("kernel", "user_queue", "fenced"),
    [("series-fixed", 1, False), ("7.2", 1, True), ("7.3", 1, True), ("7.3", 0, False), ("6.18", 1, True)],
)
def test_where_user_queues_are_every_tlb_flush_has_a_fence(kernel: str, user_queue: int, *, fenced: bool) -> None:
    """The update fence is that of the flush behind the job that has changed the page tables (need_tlb_fence)."""
    client = machine_with(user_queue, kernel).client()
    bo = client.bo()
    client.op(MAP, X, bo)
    gate = new_gate()
    client.submit(gate)
    out = client.op(UNMAP, X, bo)
    fence = client.syncobj_fence(out.handle)
    assert fence is not None
    assert (fence.driver_name == "amdgpu tlb fence") == fenced
    client.open_gate(gate)
    assert out.signals
