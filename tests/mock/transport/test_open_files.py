# SPDX-License-Identifier: MIT
"""One open() is one file of the mock kernel, whatever clients do with its descriptors; release comes once, last."""

import pytest

from .conftest import Rig

SAME_FILE = {
    "dup": "other = os.dup(fd)",
    "dup2": "other = os.dup2(fd, 40)",
    "F_DUPFD_CLOEXEC": "other = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)",
    "SCM_RIGHTS": """
a, b = socket.socketpair()
socket.send_fds(a, [b"x"], [fd])
other = socket.recv_fds(b, 1, 1)[1][0]
""",
}


@pytest.mark.parametrize("how", SAME_FILE)
def test_a_duplicate_is_the_same_file_and_keeps_it_open(rig: Rig, how: str) -> None:
    """However a descriptor is duplicated, both name one file, flushed at each close and released after the last."""
    output = rig.run(f"""
fd = os.open(NODE, os.O_RDWR)
{SAME_FILE[how]}
say(ioctl(fd, NOTHING), ioctl(other, NOTHING), ioctl(fd, IDENTIFY, other))
os.close(fd)
say(ioctl(other, NOTHING))
os.close(other)
""")
    assert output == ["1 1 1", "1"]
    rig.expect("flush 1", "flush 1", "release 1")


def test_two_opens_are_two_files(rig: Rig) -> None:
    """Each open() of a node makes a file of its own; closing one leaves the other alone."""
    output = rig.run("""
first, second = os.open(NODE, os.O_RDWR), os.open(NODE, os.O_RDWR)
say(ioctl(first, NOTHING), ioctl(second, NOTHING))
os.close(first)
say(ioctl(second, NOTHING))
os.close(second)
""")
    assert output == ["1 2", "2"]
    rig.expect("flush 1", "release 1", "flush 2", "release 2")


def test_close_returns_only_after_release_as_seen_by_the_next_call(rig: Rig) -> None:
    """What a client does after close() finds the file released: a loop of open and close never has two at a time."""
    rig.run("""
for _ in range(20):
    os.close(os.open(NODE, os.O_RDWR))
""")
    for serial in range(1, 21):
        rig.expect(f"flush {serial}", f"release {serial}")


def test_a_forked_child_shares_the_file(rig: Rig) -> None:
    """A child uses its parent's descriptor under its own process id; the file lives until both have closed it."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
ioctl(fd, NOTHING)
child = os.fork()
word = ctypes.create_string_buffer(8)
if child == 0:
    assert ioctl(fd, CALLER, ctypes.addressof(word)) == os.getpid()
    say("child", ioctl(fd, NOTHING))
    os.close(fd)
    os._exit(0)
os.waitpid(child, 0)
assert ioctl(fd, CALLER, ctypes.addressof(word)) == os.getpid()
say("parent", ioctl(fd, NOTHING))
os.close(fd)
""")
    assert output == ["child 1", "parent 1"]
    rig.expect("flush 1", "flush 1", "release 1")


def test_a_descriptor_survives_exec_unless_it_is_cloexec(rig: Rig) -> None:
    """An inheritable descriptor works in the program that exec starts; one with O_CLOEXEC is closed by it."""
    output = rig.run("""
kept, dropped = os.open(NODE, os.O_RDWR), os.open(NODE, os.O_RDWR | os.O_CLOEXEC)
os.set_inheritable(kept, True)
program = f"import ctypes; print(ctypes.CDLL(None).ioctl({kept}, 0), ctypes.CDLL(None).ioctl({dropped}, 0))"
os.execv(sys.executable, [sys.executable, "-c", program])
""")
    assert output == ["1 -1"]
    rig.expect("flush 2 exiting", "release 2", "flush 1 exiting", "release 1")


CHILDREN = {
    # A close() in the child is one like any other. With a directory: Python 3.14 takes posix_spawn() where it can.
    "vfork": ("subprocess.Popen(command, stdin=read, cwd='.').wait", ["flush 1", "flush 1", "release 1"]),
    # libc closes the copy of the child inside itself, which is no flush (docs/mock-limits.md).
    "posix_spawn": (
        """(lambda pid=os.posix_spawn(command[0], command, os.environ, file_actions=[
    (os.POSIX_SPAWN_DUP2, read, 0), (os.POSIX_SPAWN_CLOSE, read), (os.POSIX_SPAWN_CLOSE, write),
    (os.POSIX_SPAWN_CLOSE, fd)]): os.waitpid(pid, 0))""",
        ["flush 1", "release 1"],
    ),
}


@pytest.mark.parametrize("how", CHILDREN)
def test_subprocess_children_do_not_keep_the_file(rig: Rig, how: str) -> None:
    """A child that closes what it inherited, as subprocess does before exec, keeps nothing open."""
    start, seen = CHILDREN[how]
    output = rig.run(f"""
fd = os.open(NODE, os.O_RDWR)
os.set_inheritable(fd, True)
read, write = os.pipe()
command = [sys.executable, "-c", "input()"]
wait = {start}
say(ioctl(fd, NOTHING))
os.close(fd)
say("closed")
os.write(write, b"\\n")
wait()
""")
    assert output == ["1", "closed"]
    rig.expect(*seen)


def test_a_killed_client_has_its_files_flushed_and_released_once(rig: Rig) -> None:
    """SIGKILL closes everything a client had open; the flush says that the process is ending."""
    client = rig.start("""
fd = os.open(NODE, os.O_RDWR)
duplicates = [os.dup(fd) for _ in range(100)]
say("open", ioctl(duplicates[-1], NOTHING))
time.sleep(60)
""")
    assert client.stdout is not None
    assert client.stdout.readline() == "open 1\n"
    client.kill()
    rig.expect("flush 1 exiting", "release 1")
    rig.expect_silence()


def test_replacing_a_descriptor_by_dup2_closes_the_file(rig: Rig) -> None:
    """dup2() onto a mock file's descriptor flushes and releases that file."""
    rig.run("""
fd = os.open(NODE, os.O_RDWR)
os.dup2(0, fd)
say(os.read(fd, 0))
""")
    rig.expect("flush 1", "release 1")


def test_close_range_flushes_and_spares_the_channels(rig: Rig) -> None:
    """close_range() over everything closes the mock files; the client can go on using the machine."""
    output = rig.run("""
first, second = os.open(NODE, os.O_RDWR), os.open(NODE, os.O_RDWR)
assert libc.close_range(3, ctypes.c_uint(-1), 0) == 0
say(ioctl(first, NOTHING))
third = os.open(NODE, os.O_RDWR)
say(third, ioctl(third, NOTHING))
for fd in range(3, 100000):
    libc.close(fd)
fourth = os.open(NODE, os.O_RDWR)
say(fourth, ioctl(fourth, NOTHING))
""")
    assert output == [f"{-9}", "3 3", "3 4"]
    rig.expect("flush 1", "flush 2")


def test_release_waits_for_calls_under_way(rig: Rig) -> None:
    """A file that is closed while another thread sleeps in an ioctl of it is released when that ioctl has ended."""
    output = rig.run("""
fd, other = os.open(NODE, os.O_RDWR), os.open(NODE, os.O_RDWR)
thread = threading.Thread(target=lambda: say("slept", ioctl(fd, BLOCK)))
thread.start()
time.sleep(0.2)
os.close(fd)
say("closed", ioctl(fd, NOTHING))
ioctl(other, WAKE)
thread.join()
""")
    assert output == ["closed -9", "slept 7"]
    rig.expect("sleeps 1", "flush 1", "slept 1", "release 1")


def test_a_slow_flush_holds_up_close_and_nothing_else(rig: Rig) -> None:
    """close() returns when flush has ended; meanwhile other threads use the machine."""
    output = rig.run("""
fd, other = os.open(NODE, os.O_RDWR), os.open(NODE, os.O_RDWR)
ioctl(fd, SLOW_FLUSH)
thread = threading.Thread(target=lambda: (os.close(fd), say("closed")))
thread.start()
time.sleep(0.2)
say("busy", ioctl(other, NOTHING))
ioctl(other, WAKE)
thread.join()
""")
    assert output == ["busy 2", "closed"]
    rig.expect("flush 1", "release 1")


def test_open_follows_links_relative_paths_and_directory_descriptors(rig: Rig) -> None:
    """A node is found however its path is written, and flags that a device node refuses are refused."""
    output = rig.run("""
def attempt(path, flags=os.O_RDWR, **more):
    try:
        fd = os.open(path, flags, **more)
    except OSError as error:
        return errno.errorcode[error.errno]
    result = ioctl(fd, NOTHING) > 0
    os.close(fd)
    return result
say(attempt("/dev/fake/node0"), attempt("/dev/fake/node1"), attempt("/nowhere/node0"))
say(attempt(NODE, os.O_RDWR | os.O_DIRECTORY), attempt(NODE, os.O_RDWR | os.O_CREAT | os.O_EXCL))
say(attempt(NODE, os.O_RDWR | os.O_TRUNC))
""")
    assert output == ["True ENOENT ENOENT", "ENOTDIR EEXIST", "EPERM"]
