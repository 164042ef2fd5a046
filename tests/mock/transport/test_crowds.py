# SPDX-License-Identifier: MIT
"""Many threads, many processes, and clients that do not speak the protocol."""

import contextlib
import os
import random
import resource
import socket
import struct
import time

from .conftest import Rig


def test_64_threads_share_a_descriptor(rig: Rig) -> None:
    """Each thread has its own channel: all make progress, each is answered with its own data, and all end."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
tids = set()
def work(number):
    for turn in range(50):
        word = ctypes.create_string_buffer(bytes([number] * 4 + [turn] * 4), 8)
        assert ioctl(fd, ECHO, ctypes.addressof(word)) == 0
        assert word.raw == bytes([turn] * 4 + [number] * 4), word.raw
    assert ioctl(fd, CALLER, ctypes.addressof(word)) == os.getpid()
    assert int.from_bytes(word.raw, "little") == threading.get_native_id()
    tids.add(threading.get_native_id())
threads = [threading.Thread(target=work, args=[number]) for number in range(64)]
for thread in threads: thread.start()
for thread in threads: thread.join()
say(len(tids))
""")
    assert output == ["64"]


def test_64_sleeping_threads_are_all_woken(rig: Rig) -> None:
    """A thread that sleeps in a call costs nothing and hears of its end."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
results = []
threads = [threading.Thread(target=lambda: results.append(ioctl(fd, BLOCK))) for _ in range(64)]
for thread in threads: thread.start()
while len(results) < 64:
    ioctl(fd, WAKE)
    time.sleep(0.01)
for thread in threads: thread.join()
say(set(results))
""")
    assert output == ["{7}"]


def test_64_forked_children_share_a_descriptor(rig: Rig) -> None:
    """Children made by fork use the parent's file at the same time; it is released once, after the last."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
ioctl(fd, NOTHING)
children = []
for _ in range(64):
    child = os.fork()
    if child == 0:
        for _ in range(20):
            assert ioctl(fd, NOTHING) == 1
        os._exit(0)
    children.append(child)
say({os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children})
""")
    assert output == ["{0}"]
    rig.expect("flush 1 exiting", "release 1")
    rig.expect_silence()


def test_channels_of_ended_threads_are_not_kept(rig: Rig) -> None:
    """Threads that come and go leave no descriptor behind in the client or in the mock kernel."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
def count():
    return len(os.listdir("/proc/self/fd"))
ioctl(fd, NOTHING)
before = count()
for _ in range(200):
    thread = threading.Thread(target=ioctl, args=[fd, NOTHING])
    thread.start()
    thread.join()
time.sleep(0.1)
say(count() - before)
""")
    assert output == ["0"]
    assert len(os.listdir(f"/proc/{rig.server.pid}/fd")) < 40, "the mock kernel keeps channels of threads that ended"


def _connect(rig: Rig) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel.connect(str(rig.directory / "socket"))
    return channel


def test_half_open_connections_harm_nobody(rig: Rig) -> None:
    """Connections that never say a word, and those that end at once, do not keep others from being served."""
    silent = [_connect(rig) for _ in range(100)]
    for _ in range(100):
        _connect(rig).close()
    assert rig.run("say(ioctl(os.open(NODE, os.O_RDWR), NOTHING))") == ["1"]
    for channel in silent:
        channel.close()


def test_a_kernel_out_of_descriptors_turns_clients_away_and_recovers(rig: Rig) -> None:
    """When connections use up all descriptors of the mock kernel, new ones are closed; later ones are served again."""
    used = len(os.listdir(f"/proc/{rig.server.pid}/fd"))
    resource.prlimit(rig.server.pid, resource.RLIMIT_NOFILE, (used + 20, used + 20))
    crowd = [_connect(rig) for _ in range(100)]
    turned_away = [channel for channel in crowd if not channel.recv(1)]
    assert len(turned_away) > 70, "more clients were let in than there are descriptors for"
    for channel in crowd:
        channel.close()
    assert rig.run("say(ioctl(os.open(NODE, os.O_RDWR), NOTHING))") == ["1"]


def test_garbage_in_messages_and_slots_is_answered_or_ignored(rig: Rig) -> None:
    """Random operations, inodes, arguments and messages of every length: the mock kernel goes on serving others."""
    chance = random.Random(2)
    for _ in range(20):
        channel = _connect(rig)
        _, descriptors, _, _ = socket.recv_fds(channel, 64, 1)
        for _ in range(50):
            slot = (
                chance.randbytes(1500)
                if chance.random() < 0.5
                else struct.pack("<4I4IIiQ4Q", 1, 0, 0, 0, 1, 1, 1, chance.randrange(12), 0, 0, 0, 0, 0, 0, 0)
            )
            # The first word is the state: 1 is a request.
            os.pwrite(descriptors[0], struct.pack("<I", 1) + slot[4:], 0)
            with contextlib.suppress(BlockingIOError):
                message = struct.pack("<II", chance.randrange(8), chance.randrange(3))
                channel.send(message[: chance.choice((1, 7, 8))], socket.MSG_DONTWAIT)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.close()
    assert rig.run("say(ioctl(os.open(NODE, os.O_RDWR), NOTHING) > 0)") == ["True"]


def test_a_client_cannot_use_a_file_it_has_no_descriptor_of(rig: Rig) -> None:
    """Naming another process's file by its inode is EBADF: a descriptor is the only way to a file."""
    client = rig.start("""
fd = os.open(NODE, os.O_RDWR)
st = os.stat(f"/proc/thread-self/fd/{fd}")
say(st.st_ino)
sys.stdin.readline()
""")
    assert client.stdout is not None
    ino = int(client.stdout.readline())
    channel = _connect(rig)
    _, (slot,), _, _ = socket.recv_fds(channel, 64, 1)
    os.pwrite(slot, struct.pack("<4IIIIiQ4Qq", 1, 0, 0, 0, 1, 1, 2, 0, ino, 0, 0, 0, 0, 0), 0)
    channel.send(struct.pack("<II", 1, 1))
    deadline = time.monotonic() + 20
    while struct.unpack("<I", os.pread(slot, 4, 0))[0] != 3:
        assert time.monotonic() < deadline, "the mock kernel did not answer"
        time.sleep(0.01)
    result = struct.unpack("<q", os.pread(slot, 8, 72))[0]
    os.close(slot)
    channel.close()
    client.communicate("\n")
    assert result == -9, f"another process's file answered {result}"
