# SPDX-License-Identifier: MIT
"""The console of a mock machine: it tells what is going on, stops rings, makes things fail, and cannot be broken."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from amdgpu_hw.mock.console.client import Console, ConsoleError, find_machine
from amdgpu_hw.mock.machine import Machine, MachineError

PATIENCE_S = 20.0

PREPARE = """
import errno, os, sys, time
from amdgpu_hw import open_gpu
from amdgpu_hw.errors import DrmError
gpu = open_gpu(sys.argv[1])
gpu.compute.submit(gpu.compute.packets.nop()).wait()
bo = gpu.alloc(65536, always_valid=True)
place = gpu.reserve(65536)
mapping = place.map(bo)
mapping.wait()
def error_of(action):
    try:
        action()
    except DrmError as error:
        return errno.errorcode[error.errno]
    return "0"
"""


class Client:
    """A Python program on the machine that carries out one statement after the other."""

    def __init__(self, machine: Machine, node: str = "/dev/dri/renderD128") -> None:
        loop = "print('ready', flush=True)\nfor line in sys.stdin:\n    exec(line)\n    print('.', flush=True)\n"
        self._process = subprocess.Popen(
            [sys.executable, "-c", PREPARE + loop, node],
            env=machine.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._answer("ready")

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def do(self, statement: str) -> list[str]:
        """Carry out a statement; returns what it printed."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{statement}\n")
        self._process.stdin.flush()
        return self._answer(".")

    def _answer(self, end: str) -> list[str]:
        assert self._process.stdout is not None
        lines: list[str] = []
        for line in self._process.stdout:
            if line == f"{end}\n":
                return lines
            lines.append(line.rstrip("\n"))
        assert self._process.stderr is not None
        raise AssertionError(f"the client ended: {self._process.stderr.read()}")

    def close(self) -> None:
        """End the program, in order."""
        self._process.communicate(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def board() -> Iterator[Machine]:
    """A machine of its own."""
    with Machine(["navi31", "mi300x"]) as machine:
        yield machine


@pytest.fixture
def console(board: Machine) -> Iterator[Console]:
    """Its console; afterwards nothing is held, injected, or left over."""
    with board.console() as console:
        yield console
        console.clear_faults()
        for ring in console.rings():
            if ring.held:
                console.release(ring.name, ring.gpu)
        wait_until(lambda: not any(console.audit().values()), lambda: f"left over: {console.audit()}")
        assert console.status().oopses == 0, console.log()


@pytest.fixture
def client(board: Machine, console: Console) -> Iterator[Client]:
    """A client with a buffer mapped, and one submission behind it."""
    client = Client(board)
    with contextlib.closing(client):
        yield client
        for ring in console.rings():
            if ring.held:
                console.release(ring.name, ring.gpu)


def wait_until(holds: Callable[[], object], otherwise: Callable[[], str]) -> None:
    """Wait for something that is going to happen."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.005)


def hold(console: Console, prefix: str) -> None:
    """Hold all rings of a kind."""
    for ring in console.rings():
        if ring.gpu == 0 and ring.name.startswith(prefix):
            console.hold(ring.name)


# -- looking ------------------------------------------------------------------------------------------------------


def test_the_state_of_a_client(console: Console, client: Client) -> None:
    """Process, open file, context, buffers and mappings are listed, and refer to each other."""
    [process] = console.clients()
    assert (process.pid, process.threads, process.asleep) == (client.pid, 1, 0)
    [file] = console.files()
    assert (file.path, file.pid, file.gpu) == ("/dev/dri/renderD128", client.pid, 0)
    assert file.client_id is not None
    [context] = console.contexts(file.client_id)
    [entity] = context.entities
    assert (context.guilty, context.lost, entity.submitted, entity.queued, entity.error) == (False, False, 1, 0, 0)
    assert (entity.name, entity.ring.startswith("comp_")) == ("compute0", True)
    buffers = console.bos(file.client_id)
    assert len(buffers) == file.handles
    assert [bo.size for bo in buffers if bo.size == 65536 and bo.always_valid and bo.domain == "GTT"] == [65536]
    mappings = console.mappings(file.client_id)
    assert len(mappings) == file.mappings
    [ours] = [mapping for mapping in mappings if mapping.size == 65536]
    assert (ours.kind, ours.written) == ("BO", True)
    assert console.mappings(file.client_id, va=ours.va + ours.size) == [m for m in mappings if m.va > ours.va]
    assert console.mappings(file.client_id, limit=1) == mappings[:1]


def test_status_and_log(console: Console) -> None:
    """The kernel, the GPUs, and the log's last lines."""
    status = console.status()
    assert status.kernel == "series-fixed-7.3"
    assert [(gpu.index, gpu.name, gpu.unplugged) for gpu in status.gpus] == [(0, "navi31", False), (1, "mi300x", False)]
    assert len(console.log(2).splitlines()) == 2
    assert "Initialized amdgpu" in console.log()


def test_which_fences_an_update_waits_for(console: Console, client: Client) -> None:
    """An implicit unmap names the submission it waits for; an explicit one has nothing to wait for and is done."""
    hold(console, "gfx")
    client.do("job = gpu.gfx.submit(gpu.gfx.packets.nop())")
    client.do("update = mapping.unmap()")
    [update] = console.updates()
    assert update.what == "page-table update: NONE entries"
    assert (update.size, update.state, update.behind) == (65536, "waiting", 0)
    [fence] = update.waits_for
    assert fence.what == f"submission of python (pid {client.pid})"
    [job] = [job for job in console.jobs() if job.fence == fence.name]
    assert (job.what, job.ring, job.state) == ("submission", "gfx_0.0.0", "on the ring")
    assert client.do("print(update.wait(0))") == ["False"]
    console.release("gfx_0.0.0")
    assert client.do("print(update.wait())") == ["True"]
    assert console.updates() == []
    hold(console, "gfx")
    client.do("mapping = place.map(bo); mapping.wait(); job = gpu.gfx.submit(gpu.gfx.packets.nop())")
    assert client.do("print(mapping.unmap(explicit_sync=True).wait())") == ["True"]
    assert console.updates() == []


def test_an_update_behind_another_says_so(console: Console, client: Client) -> None:
    """The queue of page-table updates is a FIFO: the second is one behind although it depends on less."""
    hold(console, "gfx")
    client.do("job = gpu.gfx.submit(gpu.gfx.packets.nop())")
    client.do("first = mapping.unmap(); second = place.map_prt()")
    first, second, *_ = console.updates()
    assert (first.behind, second.behind) == (0, 1)
    assert second.what == "page-table update: PRT entries"
    assert not second.waits_for
    console.release("gfx_0.0.0")
    assert client.do("print(first.wait() and second.wait())") == ["True"]


# -- rings --------------------------------------------------------------------------------------------------------


def test_a_held_ring_goes_packet_by_packet(console: Console, client: Client) -> None:
    """hold, step, release; the submission is done with the last packet and not before."""
    hold(console, "gfx")
    client.do("p = gpu.gfx.packets; job = gpu.gfx.submit(p.write_data(place.va, [1]) + p.write_data(place.va, [2]))")
    word = "print(int.from_bytes(bo.read(0, 4), 'little'))"
    assert client.do(word) == ["0"]
    at = console.step("gfx_0.0.0")
    assert "IB" in at
    assert client.do(word) == ["1"]
    console.step("gfx_0.0.0")
    assert client.do(word) == ["2"]
    assert client.do("print(job.wait(0))") == ["False"]
    [ring] = [ring for ring in console.rings() if ring.name == "gfx_0.0.0"]
    assert (ring.held, ring.on_ring) == (True, 1)
    console.release("gfx_0.0.0")
    assert client.do("print(job.wait())") == ["True"]


# -- faults -------------------------------------------------------------------------------------------------------


def test_enomem(console: Console, client: Client) -> None:
    """The second buffer from now on cannot be made."""
    console.fail_alloc(nth=2, site="amdgpu_bo_create")
    assert "amdgpu_bo_create" in console.status().faults["enomem"]
    alloc = "print(error_of(lambda: gpu.alloc(4096).close()))"
    assert [client.do(alloc) for _ in range(3)] == [["0"], ["ENOMEM"], ["0"]]
    assert console.status().faults == {}


def test_eintr(board: Machine, console: Console, client: Client) -> None:
    """A sleeping system call is interrupted: a bare ioctl fails with EINTR, libdrm tries again and nobody notices."""
    hold(console, "gfx")
    client.do("job = gpu.gfx.submit(gpu.gfx.packets.nop())")
    console.interrupt(pid=client.pid)
    bare = """
import ctypes, errno, os
from amdgpu_hw.uapi import drm
libc = ctypes.CDLL(None, use_errno=True)
def ioctl(fd, request, argument):  # fcntl.ioctl() of Python 3.14 tries again after EINTR
    return libc.ioctl(fd, ctypes.c_ulong(request), (ctypes.c_char * len(argument)).from_buffer(argument))
fd = os.open("/dev/dri/renderD128", os.O_RDWR)
create = bytearray(drm.SYNCOBJ_CREATE.pack())
ioctl(fd, drm.IOCTL_SYNCOBJ_CREATE.request, create)
handles = (ctypes.c_uint32 * 1)(drm.SYNCOBJ_CREATE.unpack(create)[0])
fields = {"handles": ctypes.addressof(handles), "timeout_nsec": (1 << 63) - 1, "count_handles": 1}
wait = bytearray(drm.SYNCOBJ_WAIT.pack(flags=drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT, **fields))
print("sleeping", flush=True)
if ioctl(fd, drm.IOCTL_SYNCOBJ_WAIT.request, wait):
    print(errno.errorcode[ctypes.get_errno()])
"""
    with subprocess.Popen(
        [sys.executable, "-c", bare], env=board.environ(), stdout=subprocess.PIPE, text=True
    ) as sleeper:
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "sleeping\n"
        wait_until(lambda: any(c.asleep for c in console.clients()), lambda: f"nobody sleeps: {console.clients()}")
        assert "eintr" in console.status().faults, "the fault hit another process than it was meant for"
        sleeper.kill()
    assert client.do("print(job.wait(300_000_000))") == ["False"], "libdrm repeats an interrupted wait"
    assert console.status().faults == {}, "nothing was interrupted"
    console.interrupt()
    assert subprocess.check_output(
        [sys.executable, "-c", bare], env=board.environ(), text=True, timeout=PATIENCE_S
    ).splitlines() == ["sleeping", "EINTR"]


def test_a_lost_fence_and_a_late_one(console: Console, client: Client) -> None:
    """Lost: the timeout ends the job. Late: it takes that much longer."""
    console.parameter("lockup_timeout", 100)
    console.lose_fence("gfx_0.0.0")
    assert console.status().faults == {"gfx_0.0.0": "next fence lost"}
    assert client.do("print(error_of(gpu.gfx.submit(gpu.gfx.packets.nop()).wait))") == ["ETIME"]
    console.parameter("lockup_timeout", 2000)
    console.delay_fence("gfx_0.0.0", 150)
    client.do("queue = gpu.new_context().queue(0)")
    client.do("start = time.monotonic(); queue.submit(queue.packets.nop()).wait()")
    assert client.do("print(0.15 <= time.monotonic() - start < 1.5)") == ["True"]


@pytest.mark.parametrize(("gpu", "expected"), [(0, "ETIME"), (1, "ENODATA")])
def test_a_hung_shader(board: Machine, console: Console, gpu: int, expected: str) -> None:
    """CDNA kills it (soft recovery), RDNA resets the ring."""
    console.parameter("lockup_timeout", 100)
    client = Client(board, f"/dev/dri/renderD{128 + gpu}")
    with contextlib.closing(client):
        for ring in console.rings():
            if ring.gpu == gpu and ring.name.startswith("comp"):
                console.hang(ring.name, gpu, wave=True)
        job = "gpu.compute.submit(gpu.compute.packets.nop())"
        assert client.do(f"print(error_of({job}.wait))") == [expected]
    console.parameter("lockup_timeout", 2000)


def test_a_reset(console: Console, client: Client) -> None:
    """The context learns that VRAM is gone, its submissions are refused, and the counters go up."""
    before = console.status().gpus[0]
    console.reset(0)
    wait_until(lambda: not console.status().gpus[0].in_reset, lambda: "the reset never ends")
    after = console.status().gpus[0]
    assert (after.resets - before.resets, after.vram_losses - before.vram_losses) == (1, 1)
    submit = "print(error_of(lambda: gpu.compute.submit(gpu.compute.packets.nop())))"
    assert client.do(submit) == ["ECANCELED"]
    [context] = [context for context in console.contexts() if context.entities]
    assert context.lost


def test_unplug() -> None:
    """The GPU is gone for everybody: ENODEV on open files, no node, a uevent; a reboot brings it back."""
    with Machine(["navi31"]) as machine, machine.console() as console:
        client = Client(machine)
        client.do("import pyudev; monitor = pyudev.Monitor.from_netlink(pyudev.Context())")
        client.do("monitor.filter_by('drm'); monitor.start()")
        console.unplug()
        event = "e = monitor.poll(10); print(e.action, e.sys_name)"
        assert sorted(client.do(event) + client.do(event)) == ["remove card0", "remove renderD128"]
        assert client.do("print(error_of(lambda: gpu.alloc(4096)))") == ["ENODEV"]
        assert client.do("print(os.path.exists('/dev/dri/renderD128'), os.path.exists('/dev/dri/renderD129'))") == [
            "False True"
        ]
        assert console.status().gpus[0].unplugged
        with pytest.raises(ConsoleError, match="GPU 0 is unplugged"):
            console.reset()
        client.close()
        wait_until(lambda: not console.files(), lambda: f"still open: {console.files()}")
        machine.boot("series-fixed-7.3")
        with contextlib.closing(Client(machine)) as again:
            assert again.do("print(error_of(lambda: gpu.alloc(4096).close()))") == ["0"]


# -- another kernel -----------------------------------------------------------------------------------------------


def test_another_kernel_is_booted_only_when_nobody_has_a_file_open() -> None:
    """A live switch would pull the kernel from under its files; without files it is a reboot, and a quick one."""
    script = """
from amdgpu_hw import open_gpu
with open_gpu() as gpu:
    print(gpu.identity.driver_version, gpu.capabilities.explicit_sync.supported)
"""
    with Machine(["navi31"]) as machine:

        def asked() -> str:
            return subprocess.check_output([sys.executable, "-c", script], env=machine.environ(), text=True)

        before = asked()
        client = Client(machine)
        with machine.console() as console:
            with pytest.raises(ConsoleError, match=r"have 1 files open, which a reboot would take away"):
                machine.boot("6.12")
            assert machine.kernel == "series-fixed-7.3"
            client.close()
            wait_until(lambda: not console.files(), lambda: f"still open: {console.files()}")
            machine.boot("6.12")
            assert (machine.kernel, console.status().kernel) == ("6.12", "6.12")
        after = asked()
        assert "Linux mock kernel '6.12'" in machine.log()
    assert (before.split()[-1], after.split()[-1]) == ("True", "False")
    assert before != after


def test_vgem_is_on_the_bus_that_the_booted_kernel_has_it_on() -> None:
    """7.2 moved it to the faux bus; nothing stays where it was, and programs find its node all the same."""
    script = "import os; from amdgpu_hw.gate.vgem import find_vgem; print(find_vgem(), *os.listdir('/sys/class/drm'))"

    def asked() -> list[str]:
        answer = subprocess.check_output([sys.executable, "-c", script], env=machine.environ(), text=True).split()
        devices = ("platform", "faux")
        there = [bus for bus in devices if Path(f"{machine.environ()['UMOCKDEV_DIR']}/sys/devices/{bus}/vgem").exists()]
        return [*there, answer[0], *sorted(answer[1:])]

    nodes = ["card0", "card1", "renderD128", "renderD129"]
    with Machine(["navi31"], "6.12") as machine:
        assert asked() == ["platform", "/dev/dri/card1", *nodes]
        machine.boot("7.3")
        assert asked() == ["faux", "/dev/dri/card1", *nodes]
        machine.boot("base")
        assert asked() == ["platform", "/dev/dri/card1", *nodes]


def test_a_bug_is_planted_by_a_reboot_and_lifted_by_the_next() -> None:
    """The status and the log say so, and a bug that does not exist leaves the machine as it is."""
    with Machine(["navi31"]) as machine, machine.console() as console:
        with pytest.raises(ConsoleError, match=r"no planted bug called 'x'"):
            machine.boot("series-fixed-7.3", ["x"])
        machine.boot("series-fixed-7.3", ["m05_flag_ignored"])
        assert (machine.bugs, console.status().bugs) == (("m05_flag_ignored",), ("m05_flag_ignored",))
        assert "planted bug m05_flag_ignored: The flag is accepted but ignored" in machine.log()
        machine.boot("series-fixed-7.3")
        assert (machine.bugs, console.status().bugs) == ((), ())


# -- what can go wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_line", "message"),
    [
        (b"hello\n", "a request must be one line of JSON"),
        (b"[" * 30000 + b"\n", "a request must be one line of JSON"),
        (b"\xff\xfe\n", "a request must be one line of JSON"),
        (b"[1]\n", 'a request must be an object with "command" and perhaps "arguments"'),
        (b'{"command": "run"}\n', "there is no command 'run'; there are: status, log"),
        (b'{"command": "__init__"}\n', "there is no command '__init__'; there are: status"),
        (b'{"command": ["a"]}\n', "there is no command ['a']; there are: status"),
        (b'{"command": "status", "arguments": 5}\n', "the arguments of 'status' must be an object, not 5"),
        (b'{"command": "status", "arguments": {"a": 1}}\n', "'status' has no argument 'a'; it has: none"),
        (b'{"command": "hold"}\n', "'hold' needs the argument 'ring'"),
        (b'{"command": "hold", "arguments": {"ring": 1}}\n', "'ring' of 'hold' must be a string, not 1"),
        (b'{"command": "hold", "arguments": {"ring": "x"}}\n', "GPU 0 has no ring 'x'; it has: gfx_0.0.0"),
        (b'{"command": "hold", "arguments": {"ring": "x", "gpu": 7}}\n', "there is no GPU 7; this machine has 2"),
        (b'{"command": "step", "arguments": {"ring": "sdma0"}}\n', "ring sdma0 is not held"),
        (b'{"command": "hang", "arguments": {"ring": "sdma0", "wave": 1}}\n', "'wave' of 'hang' must be true or false"),
        (b'{"command": "fail_alloc", "arguments": {"nth": 0}}\n', "'nth' must be at least 1, not 0"),
        (b'{"command": "fail_alloc", "arguments": {"site": "x"}}\n', "there is no allocation 'x'; there are: drm_open"),
        (
            b'{"command": "parameter", "arguments": {"name": "x", "value": 1}}\n',
            "there is no module parameter 'x' here",
        ),
        (b'{"command": "boot", "arguments": {"kernel": "x"}}\n', "there is no kernel called 'x'; there are: 6.1, 6.12"),
        (
            b'{"command": "boot", "arguments": {"kernel": "base", "bugs": ["x"]}}\n',
            "there is no planted bug called 'x'",
        ),
        (b'{"command": "delay_fence", "arguments": {"ring": "sdma0", "ms": -1}}\n', "a fence cannot be -1 ms late"),
    ],
)
def test_bad_input_gets_one_sentence(board: Machine, console: Console, request_line: bytes, message: str) -> None:
    """The connection stays usable, the machine runs on."""
    with raw_connection(board) as (connection, lines):
        connection.sendall(request_line)
        answer = json.loads(lines.readline())
        assert answer.keys() == {"error"}
        assert answer["error"].startswith(message)
        assert "\n" not in answer["error"]
        connection.sendall(b'{"command": "status"}\n')
        assert "result" in json.loads(lines.readline())


@contextlib.contextmanager
def raw_connection(machine: Machine) -> Iterator[tuple[socket.socket, BinaryIO]]:
    """A connection to the console without its client."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(Path(machine.environ()["AMDGPU_HW_MOCK"]) / "console"))
        with connection.makefile("rb") as lines:
            yield connection, lines


def test_connections_that_misbehave(board: Machine, console: Console) -> None:
    """An endless line, half a line, and a reader that never reads hold nobody up."""
    with raw_connection(board) as (connection, lines), contextlib.suppress(OSError):
        connection.sendall(b"x" * 1_000_000)
        assert lines.readline() == b""
    with raw_connection(board) as (connection, _):
        connection.sendall(b'{"comm')
    with raw_connection(board) as (connection, _), contextlib.suppress(BlockingIOError):
        connection.setblocking(False)
        for _ in range(10_000):
            connection.send(b'{"command": "log"}\n')
            assert console.status().oopses == 0
    others = [board.console() for _ in range(8)]
    assert [other.status().kernel for other in others] == ["series-fixed-7.3"] * 8
    for other in others:
        other.close()


def test_the_console_is_private(board: Machine) -> None:
    """Socket and directory are for the user alone."""
    directory = Path(board.environ()["AMDGPU_HW_MOCK"])
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "console").stat().st_mode & 0o777 == 0o600


def test_a_machine_that_ends_says_so_once() -> None:
    """A console that is still open gets one sentence; a machine that does not run has none."""
    with Machine(["navi31"]) as machine:
        console = machine.console()
    with pytest.raises(ConsoleError, match=r"the mock machine (has ended|does not answer)"):
        console.status()
    console.close()
    with pytest.raises(MachineError, match="does not run"):
        machine.console()


def test_the_machine_is_found_from_inside(board: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program on the machine needs no name for it; a directory without a machine is one sentence."""
    directory = board.environ()["AMDGPU_HW_MOCK"]
    monkeypatch.setenv("AMDGPU_HW_MOCK", directory)
    assert find_machine() == Path(directory)
    with pytest.raises(ConsoleError, match=r"^no mock machine answers in /nowhere: "):
        Console(Path("/nowhere"))
