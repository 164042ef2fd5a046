# SPDX-License-Identifier: MIT
from __future__ import annotations

import errno
import io
import json
import mmap
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.guest.device.function import DOORBELLS, REGISTERS, SLICE, PciFunction
from amdgpu_hw.guest.device.log import MachineLog
from amdgpu_hw.guest.device.vfio_user import CONFIG_REGION

from .vfio_client import (
    DMA_MAP,
    DMA_UNMAP,
    GET_INFO,
    IRQ_INFO,
    READ,
    REGION_INFO,
    RESET,
    SET_IRQS,
    VERSION,
    WRITE,
    WRITE_MULTI,
    Client,
)

MIB = 1 << 20
PAGE = 4096


class Machine:
    """A function served on a socket, and its log."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "gpu.sock")
        self.log = io.StringIO()
        self.function = PciFunction(load_identity("vega10"), 256 * MIB, self.path, MachineLog(self.log))

    def client(self) -> Client:
        return Client(self.function.server, self.path)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A Vega10 on a socket."""
    made = Machine(tmp_path)
    yield made
    made.function.close()
    assert not os.path.exists(made.path), "the socket is removed"


@pytest.fixture
def client(machine: Machine) -> Iterator[Client]:
    """A client that has said hello."""
    made = machine.client()
    made.hello()
    yield made
    made.close()


def memory(size: int) -> int:
    """Return a file of zeros."""
    fd = os.memfd_create("ram")
    os.ftruncate(fd, size)
    return fd


def test_version_says_what_the_server_can(machine: Machine) -> None:
    """The first message agrees on version 0 and tells the limits; any other first message is refused."""
    client = machine.client()
    assert client.refused(GET_INFO, struct.pack("<IIII", 16, 0, 0, 0)) == errno.EINVAL
    reply = client.hello()
    assert struct.unpack_from("<HH", reply) == (0, 0)
    capabilities = json.loads(reply[4:].rstrip(b"\0"))["capabilities"]
    assert capabilities["max_msg_fds"] >= 1
    assert capabilities["pgsizes"] == PAGE
    client.close()


def test_another_major_version_is_refused(machine: Machine) -> None:
    """A client of a later protocol gets EINVAL and no half agreement."""
    client = machine.client()
    assert client.refused(VERSION, struct.pack("<HH", 1, 0)) == errno.EINVAL
    assert client.refused(RESET) == errno.EINVAL


def test_device_regions_and_interrupts_are_those_of_a_gpu(client: Client) -> None:
    """A PCI device with reset; VRAM mappable with a descriptor, registers and doorbells not; one MSI."""
    _, flags, regions, irqs = struct.unpack("<IIII", client.call(GET_INFO, struct.pack("<IIII", 16, 0, 0, 0)))
    assert (flags, regions, irqs) == (3, 9, 5)
    sizes = {}
    for index in range(regions):
        client.send(REGION_INFO, struct.pack("<IIIIQQ", 32, 0, index, 0, 0, 0))
        error, body, fds = client.receive()
        _, flags, _, _, size, _ = struct.unpack("<IIIIQQ", body)
        assert not error
        sizes[index] = size
        assert bool(flags & 4) == bool(fds) == (index == 0)
        for fd in fds:
            assert os.fstat(fd).st_size >= size
            os.close(fd)
    assert sizes == {0: 256 * MIB, 1: 0, 2: 2 * MIB, 3: 0, 4: 0, 5: MIB // 2, 6: 0x10000, 7: PAGE, 8: 0}
    counts = [struct.unpack("<IIII", client.call(IRQ_INFO, struct.pack("<IIII", 16, 0, n, 0)))[3] for n in range(5)]
    assert counts == [1, 1, 0, 0, 0]


def test_vram_is_one_memory_for_both_sides(machine: Machine, client: Client) -> None:
    """What the client writes into the file behind BAR0 the GPU reads, and the other way round."""
    client.send(REGION_INFO, struct.pack("<IIIIQQ", 32, 0, 0, 0, 0, 0))
    _, _, (fd,) = client.receive()
    with mmap.mmap(fd, 256 * MIB) as vram:
        os.close(fd)
        vram[0x1000:0x1004] = b"ABCD"
        assert machine.function.gpu.memory.read(0x1000, 4) == b"ABCD"
        machine.function.gpu.memory.write(0x2000, b"EFGH")
        assert vram[0x2000:0x2004] == b"EFGH"
    assert client.read(0, 0x1000, 8) == b"ABCD\0\0\0\0"


def test_registers_are_read_by_any_size_and_written_by_dwords(client: Client) -> None:
    """A register access of 4 bytes is one register; of 8 bytes two; smaller reads are parts of one."""
    scratch = 0xC040 * 4
    client.write(5, scratch, struct.pack("<I", 0x11223344))
    assert client.read(5, scratch, 4) == struct.pack("<I", 0x11223344)
    assert client.read(5, scratch + 1, 2) == b"\x33\x22"
    client.write(5, scratch, struct.pack("<II", 1, 2))
    assert client.read(5, scratch, 8) == struct.pack("<II", 1, 2)


def test_several_writes_in_one_message(client: Client) -> None:
    """REGION_WRITE_MULTI does its writes in order."""
    scratch = 0xC040 * 4
    writes = [(scratch, 1), (scratch + 4, 2), (scratch, 3)]
    body = struct.pack("<Q", len(writes))
    for offset, value in writes:
        body += struct.pack("<QII", offset, 5, 4) + struct.pack("<Q", value)
    client.call(WRITE_MULTI, body)
    assert client.read(5, scratch, 8) == struct.pack("<II", 3, 2)


def test_a_write_that_wants_no_reply_gets_none(client: Client) -> None:
    """Flag NO_REPLY: the next reply is that of the next request."""
    client.send(WRITE, struct.pack("<QIII", 0xC040 * 4, 5, 4, 9), flags=0x10)
    assert client.read(5, 0xC040 * 4, 4) == struct.pack("<I", 9)


def test_dma_is_possible_exactly_where_it_was_mapped(machine: Machine, client: Client) -> None:
    """Mapped RAM is read and written in place; after DMA_UNMAP, and beside it, nothing is."""
    fd = memory(4 * PAGE)
    client.dma_map(0x10_0000, 2 * PAGE, fd, offset=PAGE)
    reach = machine.function.gpu.memory
    reach.bus_master = True
    system = 1 << 56
    reach.write(system | 0x10_0000 + 2 * PAGE - 4, b"01234567")
    assert os.pread(fd, 8, 3 * PAGE - 4) == b"0123\0\0\0\0", "what goes over the end is dropped"
    assert reach.read(system | 0x10_0000 - 4, 8) == bytes(8)
    assert "refused: DMA write to 0x102000" in machine.log.getvalue()
    assert reach.is_live(system | 0x10_0000)
    client.call(DMA_UNMAP, struct.pack("<IIQQ", 24, 0, 0x10_0000, 2 * PAGE))
    assert not reach.is_live(system | 0x10_0000)
    reach.write(system | 0x10_0000, b"XXXX")
    assert os.pread(fd, 4, PAGE) == bytes(4)
    os.close(fd)


def test_a_read_only_range_is_not_written(machine: Machine, client: Client) -> None:
    """Flags of DMA_MAP hold: a range for reading drops writes."""
    fd = memory(PAGE)
    os.pwrite(fd, b"ROM!", 0)
    client.dma_map(0, PAGE, fd, flags=1)
    machine.function.gpu.memory.bus_master = True
    machine.function.gpu.memory.write(1 << 56, b"XXXX")
    assert machine.function.gpu.memory.read(1 << 56, 4) == b"ROM!"
    assert os.pread(fd, 4, 0) == b"ROM!"
    os.close(fd)


def test_without_bus_master_there_is_no_dma(machine: Machine, client: Client) -> None:
    """The command register's bit decides: off after power-up, on when the driver says so, off by a reset."""
    fd = memory(PAGE)
    client.dma_map(0, PAGE, fd)
    reach = machine.function.gpu.memory
    reach.write(1 << 56, b"NO")
    assert os.pread(fd, 2, 0) == bytes(2)
    client.write(CONFIG_REGION, 4, b"\x06\x00")
    reach.write(1 << 56, b"OK")
    assert os.pread(fd, 2, 0) == b"OK"
    client.call(RESET)
    assert not reach.is_live(1 << 56)
    os.close(fd)


@pytest.mark.parametrize(
    ("address", "size", "offset"),
    [(0, 0, 0), (0, 3 * PAGE, 0), (0, PAGE, 2 * PAGE), (1 << 63, PAGE, 0), (0, 1 << 60, 0), (0x11_0000, PAGE, 0)],
)
def test_a_mapping_that_cannot_be_is_refused(client: Client, address: int, size: int, offset: int) -> None:
    """Empty, behind the end of its file, outside of the bus, or over another one: EINVAL and nothing changes."""
    fd = memory(2 * PAGE)
    client.dma_map(0x11_0000, PAGE, fd)
    assert client.refused(DMA_MAP, struct.pack("<IIQQQ", 32, 3, offset, address, size), [fd]) == errno.EINVAL
    os.close(fd)


def test_a_mapping_is_not_cut_by_unmapping_a_part(client: Client) -> None:
    """DMA_UNMAP of a part of a range is refused, as the protocol has it."""
    fd = memory(2 * PAGE)
    client.dma_map(0, 2 * PAGE, fd)
    assert client.refused(DMA_UNMAP, struct.pack("<IIQQ", 24, 0, 0, PAGE)) == errno.EINVAL
    os.close(fd)


def test_msi_goes_to_the_descriptor_that_was_given(machine: Machine, client: Client) -> None:
    """SET_IRQS with an eventfd: an interrupt makes it readable; without one nothing happens."""
    event = os.eventfd(0, os.EFD_NONBLOCK)
    machine.function.server.interrupt()
    client.call(SET_IRQS, struct.pack("<IIIII", 20, 4 | 32, 1, 0, 1), [event])
    machine.function.server.interrupt()
    assert os.eventfd_read(event) == 1
    client.call(SET_IRQS, struct.pack("<IIIII", 20, 1 | 32, 1, 0, 0))
    machine.function.server.interrupt()
    with pytest.raises(BlockingIOError):
        os.eventfd_read(event)
    os.close(event)


@pytest.mark.parametrize("region", [1, 3, 8, 9, 0xFFFFFFFF])
def test_an_access_outside_of_a_region_is_refused(client: Client, region: int) -> None:
    """No such region, over its end, or larger than agreed: EINVAL."""
    assert client.refused(READ, struct.pack("<QII", 0, region, 4)) == errno.EINVAL
    assert client.refused(READ, struct.pack("<QII", MIB // 2 - 2, 5, 4)) == errno.EINVAL
    assert client.refused(READ, struct.pack("<QII", 1 << 63, 5, 4)) == errno.EINVAL
    assert client.refused(READ, struct.pack("<QII", 0, 0, 1 << 30)) == errno.EINVAL
    assert client.refused(WRITE, struct.pack("<QII", 0, 5, 64)) == errno.EINVAL


def test_an_unknown_command_is_refused(client: Client) -> None:
    """A command that is not in the protocol is answered with EOPNOTSUPP, and the connection goes on."""
    for command in (0, 14, 16, 0xFFFF):
        assert client.refused(command) == errno.EOPNOTSUPP
    assert client.read(CONFIG_REGION, 0, 4) == struct.pack("<HH", 0x1002, 0x687F)


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<HHIII", 1, 9, 0, 0, 0),
        struct.pack("<HHIII", 1, 9, 15, 0, 0),
        struct.pack("<HHIII", 1, 9, 0xFFFFFFFF, 0, 0),
        struct.pack("<HHIII", 1, 9, 16, 1, 0),
    ],
)
def test_a_message_without_a_sane_header_ends_the_connection(machine: Machine, client: Client, header: bytes) -> None:
    """A wrong size or type: the connection is closed, the next client is served."""
    client.socket.sendall(header)
    machine.function.server.serve_one()
    assert client.socket.recv(1) == b""
    again = machine.client()
    again.hello()
    assert again.read(CONFIG_REGION, 0, 2) == b"\x02\x10"
    again.close()


def test_too_many_descriptors_end_the_connection_and_leak_nothing(machine: Machine, client: Client) -> None:
    """More descriptors than agreed are closed again."""
    fds = [memory(PAGE) for _ in range(20)]
    before = len(os.listdir("/proc/self/fd"))
    socket.send_fds(client.socket, [struct.pack("<HHIII", 1, 2, 16, 0, 0)], fds)
    machine.function.server.serve_one()
    assert len(os.listdir("/proc/self/fd")) <= before
    for fd in fds:
        os.close(fd)


def test_a_client_that_goes_takes_its_memory_along(machine: Machine, client: Client) -> None:
    """After a disconnect nothing of the client's RAM is reachable, and its descriptors are closed."""
    fd = memory(PAGE)
    before = len(os.listdir("/proc/self/fd"))
    client.dma_map(0, PAGE, fd)
    event = os.eventfd(0)
    client.call(SET_IRQS, struct.pack("<IIIII", 20, 4 | 32, 1, 0, 1), [event])
    client.close()
    machine.function.server.serve_one()
    assert machine.function.gpu.memory.dma.find(0) is None
    assert not machine.function.server.connected
    os.close(event)
    assert len(os.listdir("/proc/self/fd")) <= before
    os.close(fd)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    command=st.integers(0, 20),
    body=st.binary(max_size=80),
    flags=st.sampled_from((0, 0x10, 0x20, 1)),
    fd_count=st.integers(0, 3),
)
def test_garbage_is_answered_or_ends_the_connection(
    machine: Machine, command: int, body: bytes, flags: int, fd_count: int
) -> None:
    """Whatever a client sends, the server is there for the next one."""
    client = machine.client()
    client.hello()
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(fd_count)]
    client.send(command, body, fds, flags)
    client.close()
    while machine.function.server.connected:
        machine.function.server.serve_one()
    for fd in fds:
        os.close(fd)
    again = machine.client()
    again.hello()
    again.close()
    machine.function.server.serve_one()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=st.binary(max_size=400))
def test_a_stream_of_bytes_is_survived(machine: Machine, stream: bytes) -> None:
    """The same for bytes that are no messages at all."""
    client = machine.client()
    client.socket.sendall(stream)
    client.close()
    while machine.function.server.connected:
        machine.function.server.serve_one()


@pytest.mark.parametrize("region", [DOORBELLS, REGISTERS])
def test_what_a_write_sets_off_is_done_before_it_is_answered(machine: Machine, client: Client, region: int) -> None:
    """But no more than a slice of it: the guest's processor waits."""
    work = machine.function.gpu.work
    done: list[int] = []

    def more() -> None:
        done.append(len(done))
        work.queue(more)

    work.queue(more)
    client.write(region, 0, bytes(4))
    assert len(done) == SLICE
