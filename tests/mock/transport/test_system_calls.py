# SPDX-License-Identifier: MIT
"""What a system call on a mock file does and how it ends."""

import pytest

from .conftest import Rig


def test_ioctl_reads_and_writes_the_clients_memory(rig: Rig) -> None:
    """The mock kernel copies from and to the address that the client gives, as copy_from_user and copy_to_user do."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
word = ctypes.create_string_buffer(b"abcdefgh", 8)
say(ioctl(fd, ECHO, ctypes.addressof(word)), word.raw.decode())
""")
    assert output == ["0 hgfedcba"]


TWO_PAGES = """
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
mapped = libc.mmap(None, 2 * 4096, 3, 0x22, -1, 0)
libc.mprotect(mapped + 4096, 4096, 0)
"""
"""A page at `mapped`, and one that cannot be accessed behind it."""


@pytest.mark.parametrize("limit", ["", "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"])
def test_an_ioctls_argument_travels_with_it(rig: Rig, limit: str) -> None:
    """Whatever its size, with nothing but the argument changed; also in a program that may not write to files."""
    output = rig.run(f"""
{limit}
fd = os.open(NODE, os.O_RDWR)
for size in (1, 8, 255, 256, 257, 4000):
    before = bytes(i % 251 for i in range(size + 16))
    memory = ctypes.create_string_buffer(before, len(before))
    assert ioctl(fd, reverse(size), ctypes.addressof(memory) + 8) == size
    assert memory.raw == before[:8] + before[8:-8][::-1] + before[-8:], size
say("ok")
""")
    assert output == ["ok"]


def test_memory_is_read_as_it_is_when_it_is_read(rig: Rig) -> None:
    """What lies beside something that was copied before is seen with all changes: the kernel's, and the client's.

    Nothing is read beyond a page: here, nothing can be.
    """
    output = rig.run(f"""{TWO_PAGES}
fd = os.open(NODE, os.O_RDWR)
memory = (ctypes.c_char * 16).from_address(mapped + 4096 - 16)
memory.raw = b"argumentoriginal"
thread = threading.Thread(target=ioctl, args=(fd, REREAD, ctypes.addressof(memory)))
thread.start()
while memory.raw[8:] != b"kernel's":
    time.sleep(0.001)
memory.raw = b"argumentclient's"
while thread.is_alive():
    ioctl(fd, WAKE)
    thread.join(0.01)
say("ok")
""")
    assert output == ["ok"]
    rig.expect("sleeps 1", "slept 1", "argument original kernel's client's")


def test_no_descriptor_of_the_channel_can_be_closed_by_the_program(rig: Rig) -> None:
    """A program that closes all numbers, one by one and at once, can still make calls; the numbers are not free."""
    output = rig.run("""
def numbers():
    listed = [int(name) for name in os.listdir("/proc/self/fd")]
    return {number for number in listed if os.path.lexists(f"/proc/self/fd/{number}")}
before = numbers()  # libraries may have files open: libffi has itself
fd = os.open(NODE, os.O_RDWR)
hidden = numbers() - before - {fd}
for number in hidden:
    try:
        os.close(number)
        os.dup2(0, number)
    except OSError:
        continue
    raise SystemExit(f"{number} could be closed")
os.closerange(3, fd)
os.closerange(fd + 1, 1 << 20)
word = ctypes.create_string_buffer(b"abcdefgh", 8)
say(len(hidden), ioctl(fd, reverse(8), ctypes.addressof(word)), word.raw.decode())
""")
    assert output == ["2 8 hgfedcba"]


def test_a_bad_pointer_is_efault(rig: Rig) -> None:
    """A pointer that cannot be read or written gives EFAULT, and neither the client nor the mock kernel dies of it."""
    output = rig.run(f"""{TWO_PAGES}
readonly = libc.mmap(None, 4096, 1, 0x22, -1, 0)
pointers = {{
    "null": 0,
    "kernel half": 0xffff_8000_0000_0000,
    "unmapped": 4096,
    "straddling the end": mapped + 4096 - 4,
    "no access": mapped + 4096,
    "read-only": readonly,
}}
fd = os.open(NODE, os.O_RDWR)
for name, request in {{"copied": ECHO, "with the request": reverse(8), "too large": reverse(512)}}.items():
    for which, pointer in pointers.items():
        result = ioctl(fd, request, pointer)
        if result != -errno.EFAULT:
            say(f"{{name}}, {{which}}: {{result}}")
say(ioctl(fd, NOTHING))
""")
    assert output == ["1"]


def test_an_unknown_request_is_what_the_file_says(rig: Rig) -> None:
    """The transport interprets no request: the file's ENOTTY arrives, and a bug of the kernel is EIO and a log line."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
say(errno.errorcode[-ioctl(fd, 0xc0406448)], errno.errorcode[-ioctl(fd, OOPS)], ioctl(fd, NOTHING))
fcntl.ioctl(fd, 0x5451)
say(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)
""")
    assert output == ["ENOTTY EIO 1", "1"]
    rig.expect("log Oops: 0001 in system call: RuntimeError('a bug of the mock kernel')")


def test_a_signal_interrupts_an_interruptible_sleep(rig: Rig) -> None:
    """A handler without SA_RESTART makes a sleeping ioctl fail with EINTR, after the handler has run."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
signal.signal(signal.SIGALRM, lambda *_: say("handler"))
signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.2)
say(errno.errorcode[-ioctl(fd, BLOCK)])
""")
    assert sorted(output) == ["EINTR", "handler"], "the ioctl was not interrupted, or the handler did not run"
    rig.expect("sleeps 1", "slept 1")


def test_a_signal_with_sa_restart_does_not_end_the_call(rig: Rig) -> None:
    """With SA_RESTART the call goes on after the handler and ends with what it waited for."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.1)
threading.Timer(0.4, lambda: ioctl(fd, WAKE)).start()
say(ioctl(fd, BLOCK))
""")
    assert output == ["7"]


def test_a_signal_does_not_end_an_uninterruptible_sleep(rig: Rig) -> None:
    """A sleep in state D goes on through signals and ends when it is woken."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
threading.Timer(0.4, lambda: ioctl(fd, WAKE)).start()
say(ioctl(fd, BLOCK_UNINTERRUPTIBLE))
signal.setitimer(signal.ITIMER_REAL, 0)
""")
    assert output == ["7"]
    rig.expect("sleeps 1", "slept 1")


def test_a_sleeping_call_blocks_only_its_thread(rig: Rig) -> None:
    """While one thread sleeps in an ioctl, another one uses the same descriptor."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
thread = threading.Thread(target=lambda: say("slept", ioctl(fd, BLOCK)))
thread.start()
time.sleep(0.2)
say("busy", ioctl(fd, NOTHING))
ioctl(fd, WAKE)
thread.join()
""")
    assert output == ["busy 1", "slept 7"]


@pytest.mark.parametrize("request_name", ["BLOCK", "BLOCK_UNINTERRUPTIBLE"])
def test_sigkill_ends_a_sleeping_call(rig: Rig, request_name: str) -> None:
    """A client killed in an ioctl: an interruptible sleep is unwound at once, another when woken; then release."""
    client = rig.start(f"ioctl(os.open(NODE, os.O_RDWR), {request_name})")
    rig.expect("sleeps 1")
    client.kill()
    client.wait()
    if request_name == "BLOCK_UNINTERRUPTIBLE":
        rig.expect_silence()
        assert rig.run("say(ioctl(os.open(NODE, os.O_RDWR), WAKE))") == ["0"]
        # The end of the second client and of the first one's call are unrelated.
        lines = {rig.next_line() for _ in range(5)}
        assert lines == {"slept 1", "flush 1 exiting", "release 1", "flush 2 exiting", "release 2"}
    else:
        rig.expect("slept 1", "flush 1 exiting", "release 1")


def test_a_signal_handler_may_use_the_machine_while_its_thread_sleeps_in_it(rig: Rig) -> None:
    """A handler that runs in the middle of an ioctl can make calls of its own, even the one that ends the first."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)
handler = HANDLER(lambda _: libc.ioctl(fd, WAKE, 0) and None)
libc.signal.argtypes = [ctypes.c_int, HANDLER]
libc.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.2)
say(ioctl(fd, BLOCK))
""")
    assert output == ["7"]


def test_poll_reports_a_file_that_became_readable(rig: Rig) -> None:
    """poll() and select() sleep until the kernel says so, on every descriptor, and reading consumes nothing."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
other = os.dup(fd)
poll = select.poll()
poll.register(other, select.POLLIN)
say(poll.poll(50))
threading.Timer(0.2, lambda: ioctl(fd, SIGNAL)).start()
say(poll.poll(10000) == [(other, select.POLLIN)], select.select([fd], [], [], 0)[0] == [fd])
say(os.read(fd, 8), poll.poll(0) == [(other, select.POLLIN)])
""")
    assert output == ["[]", "True True", "b'answer' True"]


def test_mmap_maps_the_kernels_memory_and_fork_shares_it(rig: Rig) -> None:
    """mmap() is real shared memory: a forked child sees what its parent writes; bad arguments are refused."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
memory = mmap.mmap(fd, 4096, offset=4096)
child = os.fork()
if child == 0:
    while memory[0] != 1:
        time.sleep(0.01)
    memory[1] = 2
    os._exit(0)
memory[0] = 1
os.waitpid(child, 0)
say(memory[1], mmap.mmap(fd, 4096, offset=4096)[1])
libc.mmap.restype = ctypes.c_long
for length, offset in ((0, 4096), (4096, 5), (4096, 0)):
    libc.mmap(None, ctypes.c_size_t(length), 3, 1, fd, ctypes.c_long(offset))
    say(errno.errorcode[ctypes.get_errno()])
""")
    assert output == ["2 2", "EINVAL", "EINVAL", "EACCES"]


def test_fstat_lseek_and_the_name_of_a_descriptor(rig: Rig) -> None:
    """fstat() agrees with the node's file, /proc/self/fd/N reads the node's path, lseek() tells the size."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
st = os.fstat(fd)
say(stat.S_ISCHR(st.st_mode), oct(stat.S_IMODE(st.st_mode)), os.major(st.st_rdev), os.minor(st.st_rdev))
node = os.stat(os.environ["AMDGPU_HW_MOCK"] + "/root" + NODE)
say((st.st_dev, st.st_ino) == (node.st_dev, node.st_ino))
say(os.readlink(f"/proc/self/fd/{fd}"), os.readlink(f"/proc/{os.getpid()}/fd/{fd}"))
say(os.lseek(fd, 0, os.SEEK_END), os.lseek(fd, 0, os.SEEK_SET))
try:
    os.lseek(fd, 1, os.SEEK_END)
except OSError as error:
    say(errno.errorcode[error.errno])
""")
    assert output == ["True 0o640 226 128", "True", "/dev/fake/node0 /dev/fake/node0", "8192 0", "EINVAL"]


def test_read_is_the_kernels(rig: Rig) -> None:
    """read() of a mock file asks the mock kernel for as much as there is room for; other files are the host's."""
    output = rig.run("""
import ctypes
fd = os.open(NODE, os.O_RDWR)
say(os.read(fd, 3), os.read(fd, 100), os.read(fd, 100))
libc = ctypes.CDLL(None, use_errno=True)
libc.read.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
other = os.open(NODE, os.O_RDWR)
say(libc.read(other, 16, 2), errno.errorcode[ctypes.get_errno()])
with open("/proc/self/comm", "rb", buffering=0) as file:
    say(len(file.read(2)))
""")
    assert output == ["b'ans' b'wer' b''", "-1 EFAULT", "2"]


def test_a_dead_kernel_is_enodev(rig: Rig) -> None:
    """When the mock kernel's process dies, sleeping and later calls fail with ENODEV, as on an unplugged device."""
    client = rig.start("""
fd = os.open(NODE, os.O_RDWR)
say(errno.errorcode[-ioctl(fd, BLOCK)], errno.errorcode[-ioctl(fd, NOTHING)])
os.close(fd)
try:
    os.open(NODE, os.O_RDWR)
except OSError as error:
    say(errno.errorcode[error.errno])
""")
    rig.expect("sleeps 1")
    rig.server.kill()
    rig.server.wait()
    output, _ = client.communicate(timeout=20)
    assert output.split() == ["ENODEV", "ENODEV", "ENODEV"]
    rig.server.returncode = 0


def test_nothing_of_an_earlier_answer_comes_from_a_dead_kernel(rig: Rig) -> None:
    """A call that the mock kernel never answers leaves the argument alone, however large the one before it was."""
    client = rig.start("""
fd = os.open(NODE, os.O_RDWR)
large = ctypes.create_string_buffer(bytes(range(64)), 64)
assert ioctl(fd, reverse(64), ctypes.addressof(large)) == 64
say("answered")
sys.stdin.readline()
small = ctypes.create_string_buffer(b"guard---argumentguard---" + bytes(64), 88)
before = small.raw
say(errno.errorcode[-ioctl(fd, reverse(8), ctypes.addressof(small) + 8)], small.raw == before)
""")
    assert client.stdout is not None
    assert client.stdout.readline() == "answered\n"
    rig.server.kill()
    rig.server.wait()
    output, _ = client.communicate("go\n", timeout=20)
    assert output.split() == ["ENODEV", "True"]
    rig.server.returncode = 0
