# SPDX-License-Identifier: MIT
"""Descriptors that the mock kernel makes in clients, and those of clients that it looks at."""

from .conftest import Rig


def test_the_kernel_installs_a_descriptor_in_the_middle_of_a_call(rig: Rig) -> None:
    """The client gets the lowest free number, close-on-exec as asked, and it is a file like any other."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
inherited, cloexec = ioctl(fd, INSTALL, 0), ioctl(fd, INSTALL, 1)
say(inherited == fd + 1, cloexec == fd + 2, os.get_inheritable(inherited), os.get_inheritable(cloexec))
say(ioctl(inherited, NOTHING), ioctl(cloexec, NOTHING))
os.close(inherited)
os.close(cloexec)
os.close(fd)
""")
    assert output == ["True True True False", "2 3"]
    rig.expect("flush 2", "release 2", "flush 3", "release 3", "flush 1", "release 1")


def test_a_client_without_free_descriptors_gets_emfile(rig: Rig) -> None:
    """The call fails with EMFILE and the file that nobody took is released."""
    output = rig.run("""
import resource
fd = os.open(NODE, os.O_RDWR)
ioctl(fd, NOTHING)
resource.setrlimit(resource.RLIMIT_NOFILE, (fd + 1, 1024))
say(errno.errorcode[-ioctl(fd, INSTALL, 1)])
try:
    os.open(NODE, os.O_RDWR)
except OSError as error:
    say(errno.errorcode[error.errno])
say(ioctl(fd, NOTHING))
""")
    assert output == ["EMFILE", "EMFILE", "1"]
    lines = {rig.next_line() for _ in range(6)}
    assert {"release 1", "release 2", "release 3"} <= lines


def test_the_kernel_knows_its_own_files_among_a_clients_descriptors(rig: Rig) -> None:
    """fget tells a mock file, another kind of file and a closed descriptor apart."""
    output = rig.run("""
fd, other = os.open(NODE, os.O_RDWR), os.open(NODE, os.O_RDWR)
say(ioctl(fd, IDENTIFY, other), ioctl(fd, IDENTIFY, 0), errno.errorcode[-ioctl(fd, IDENTIFY, 77)])
""")
    assert output == ["2 999 EBADF"]


def test_the_kernel_can_use_a_clients_own_descriptor(rig: Rig) -> None:
    """foreign_fd duplicates it, as eventfd_ctx_fdget does for an eventfd."""
    output = rig.run("""
fd = os.open(NODE, os.O_RDWR)
ends = os.pipe()
say(ioctl(fd, STEAL, ends[1]), os.read(ends[0], 100).decode(), errno.errorcode[-ioctl(fd, STEAL, 77)])
""")
    assert output == ["0 from the kernel EBADF"]


def test_a_client_killed_while_it_is_given_a_descriptor(rig: Rig) -> None:
    """A client that is stopped in the middle of a call holds up nobody, and dies without leaving the file behind."""
    client = rig.start("""
fd = os.open(NODE, os.O_RDWR)
say("ready")
while True:
    os.close(ioctl(fd, INSTALL, 1))
""")
    assert client.stdout is not None
    client.stdout.readline()
    client.send_signal(19)
    assert rig.run("say(ioctl(os.open(NODE, os.O_RDWR), NOTHING) > 0)") == ["True"]
    client.kill()
    client.wait()
    opened = int(rig.run("say(ioctl(os.open(NODE, os.O_RDWR), NOTHING))")[0])
    released: set[str] = set()
    while len(released) < opened:
        line = rig.next_line()
        if line.startswith("release"):
            assert line not in released, f"the kernel said '{line}' twice"
            released.add(line)
