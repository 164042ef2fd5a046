# SPDX-License-Identifier: MIT
"""What a program that knows nothing of the mock finds on the machine: nodes, sysfs, udev."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.mock.machine import Machine
from amdgpu_hw.mock.pci import pci_address
from amdgpu_hw.mock.testbed import umockdev
from amdgpu_hw.mock.testbed.sysfs import describe_gpu

OutputOf = Callable[[str | list[str]], list[str]]


def test_pyudev_enumerates_the_gpus(output_of: OutputOf) -> None:
    """udev lists two nodes for each GPU, under their PCI devices."""
    output = output_of("""
import pyudev
for device in pyudev.Context().list_devices(subsystem="drm"):
    pci = device.find_parent("pci")
    if pci is not None:
        print(device.device_node, pci.sys_name, pci.attributes.asstring("vendor"))
""")
    assert sorted(output) == [
        "/dev/dri/card0 0000:03:00.0 0x1002",
        "/dev/dri/card1 0000:07:00.0 0x1002",
        "/dev/dri/renderD128 0000:03:00.0 0x1002",
        "/dev/dri/renderD129 0000:07:00.0 0x1002",
    ]


@pytest.mark.skipif(shutil.which("drmdevice") is None, reason="drmdevice (Debian: libdrm-tests) is not installed")
def test_drmdevice_opens_every_device() -> None:
    """libdrm's own program, unmodified, lists the GPUs and vgem (on a bus that every libdrm knows) and opens them."""
    with Machine(["navi31", "navi48"], "6.12") as machine:
        output = subprocess.check_output(["drmdevice"], env=machine.environ(), text=True, timeout=60).splitlines()
    assert "--- Devices reported 3 ---" in output
    opened = {line.split()[4] for line in output if line.startswith("--- Opening device node")}
    assert opened == {f"/dev/dri/card{n}" for n in range(3)} | {f"/dev/dri/renderD{128 + n}" for n in range(3)}


@pytest.mark.parametrize("path", ["/dev/dri/renderD128", "/dev/dri/card1", "/sys/kernel/debug/sync/sw_sync"])
def test_fstat_of_an_open_node_agrees_with_stat_of_its_path(output_of: OutputOf, path: str) -> None:
    """Type, permissions, device and inode numbers are the same whichever way they are asked for."""
    output = output_of(f"""
import os
fd = os.open({path!r}, os.O_RDWR)
fields = ("st_mode", "st_dev", "st_ino", "st_rdev", "st_size", "st_nlink", "st_uid", "st_gid")
opened, named = os.fstat(fd), os.stat({path!r})
print([name for name in fields if getattr(opened, name) != getattr(named, name)])
print(os.readlink(f"/proc/self/fd/{{fd}}"))
""")
    assert output == ["[]", path]


def test_a_node_is_found_however_it_is_named(output_of: OutputOf) -> None:
    """Relative paths, directory descriptors, and paths with detours lead to the node; a missing node is ENOENT."""
    output = output_of("""
import errno, os
def name(path, **more):
    try:
        fd = os.open(path, os.O_RDWR, **more)
    except OSError as error:
        return errno.errorcode[error.errno]
    return os.readlink(f"/proc/self/fd/{fd}")
directory = os.open("/dev/dri", os.O_RDONLY)
print(name("renderD128", dir_fd=directory))
print(name("/dev/../dev//dri/./renderD129"))
print(name("/dev/dri/renderD135"))
os.chdir("/dev/dri")
print(name("card0"), name("../dri/card1"), name("card9"))
""")
    assert output == [
        "/dev/dri/renderD128",
        "/dev/dri/renderD129",
        "ENOENT",
        "/dev/dri/card0 /dev/dri/card1 ENOENT",
    ]


SPELLINGS = {
    "by-path": "/dev/dri/by-path/pci-0000:07:00.0-render",
    "by number": "/dev/char/226:129",
    "doubled slash": "/dev/dri//renderD129",
    "leading slashes": "//dev/dri/renderD129",
    "dot": "/dev/./dri/./renderD129",
    "dot-dot": "/tmp/../dev/dri/../dri/renderD129",
    "through sysfs": "/sys/class/drm/../../../dev/dri/renderD129",
    "through /proc": "/proc/self/root/dev/dri/renderD129",
    "link elsewhere": "{elsewhere}/link",
    "link to a link": "{elsewhere}/chain",
    "linked directory": "{elsewhere}/dri/by-path/../renderD129",
    "relative link": "{elsewhere}/relative",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_every_call_knows_a_node_however_it_is_spelled(output_of: OutputOf, tmp_path: Path, spelling: str) -> None:
    """What a path leads to counts, not its letters; relative to a directory as well."""
    (tmp_path / "link").symlink_to("/dev/dri/renderD129")
    (tmp_path / "chain").symlink_to("link")
    (tmp_path / "dri").symlink_to("//dev/dri")
    (tmp_path / "relative").symlink_to("../" * 20 + "dev/dri/renderD129")
    path = spelling.format(elsewhere=tmp_path)
    output = output_of(f"""
import ctypes, os, struct
path, node = {path!r}, "/dev/dri/renderD129"
plain = os.stat(node)
def check(what, found):
    if not found:
        print(what)
def is_node(found):
    fields = ("st_mode", "st_dev", "st_ino", "st_rdev", "st_size", "st_nlink", "st_uid", "st_gid")
    return all(getattr(found, field) == getattr(plain, field) for field in fields)
check("the node itself", plain.st_rdev == os.makedev(226, 129))
parent, name = os.path.split(path)
directory = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
check("stat", is_node(os.stat(path)))
check("fstatat", is_node(os.stat(name, dir_fd=directory)))
check("open", is_node(os.fstat(os.open(path, os.O_RDWR))))
check("openat", is_node(os.fstat(os.open(name, os.O_RDWR, dir_fd=directory))))
check("O_PATH", is_node(os.stat(f"/proc/self/fd/{{os.open(path, os.O_PATH)}}")))
check("O_PATH, fstat", is_node(os.fstat(os.open(path, os.O_PATH))))
check("access", os.access(path, os.R_OK | os.W_OK))
check("faccessat", os.access(name, os.R_OK, dir_fd=directory))
check("eaccess", os.access(path, os.R_OK, effective_ids=True))
check("lstat", os.path.islink(path) or is_node(os.lstat(path)))
check("readlink", not os.path.islink(path) or os.readlink(path))
libc = ctypes.CDLL(None)
libc.realpath.restype = libc.canonicalize_file_name.restype = ctypes.c_char_p
check("realpath", libc.realpath(path.encode(), None) == node.encode())
check("canonicalize_file_name", libc.canonicalize_file_name(path.encode()) == node.encode())
os.chdir(parent)
check("relative stat", is_node(os.stat(name)))
check("relative open", is_node(os.fstat(os.open(name, os.O_RDWR))))
statx = ctypes.create_string_buffer(256)
check("statx", libc.statx(-100, path.encode(), 0, 0x7ff, statx) == 0)
check("statx device", struct.unpack_from("2I", statx, 128) == (226, 129))
print("done")
""")
    assert output == ["done"]


def test_realpath_follows_the_links_of_sysfs(output_of: OutputOf) -> None:
    """IGT finds the PCI device of a node so."""
    output = output_of("""
import ctypes
libc = ctypes.CDLL(None)
libc.realpath.restype = ctypes.c_char_p
for path in (b"/sys/dev/char/226:128/device", b"/sys/class/drm/card0", b"/sys//class/drm/../drm/card0/device"):
    print(libc.realpath(path, None).decode())
""")
    device = "/sys/devices/pci0000:00/0000:00:01.1/0000:03:00.0"
    assert output == [device, f"{device}/drm/card0", device]


def test_stat_of_coreutils_tells_the_device(output_of: OutputOf) -> None:
    """A program in C that calls statx()."""
    assert output_of(["stat", "-Lc", "%t:%T", "/dev/dri/by-path/pci-0000:03:00.0-render"]) == ["e2:80"]


def test_a_path_that_leads_nowhere_is_refused(output_of: OutputOf, tmp_path: Path) -> None:
    """A node is no directory, a missing directory is not skipped, and links that go in circles end."""
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "gone").symlink_to("/dev/dri/renderD140")
    (tmp_path / "link").symlink_to("/dev/dri/renderD128")
    output = output_of(f"""
import errno, os
def refusal(call, path, *arguments):
    try:
        call(path, *arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "fine"
for path in ("/dev/nowhere/../dri/renderD128", "{tmp_path}/circle", "{tmp_path}/gone"):
    print(refusal(os.open, path, os.O_RDWR), refusal(os.stat, path))
for path in ("/dev/dri/renderD128/", "/dev/dri/renderD128/../renderD128"):
    print("fine" in (refusal(os.open, path, os.O_RDWR), refusal(os.stat, path)))
print(refusal(os.open, "{tmp_path}/link", os.O_RDWR | os.O_NOFOLLOW))
""")
    assert output == ["ENOENT ENOENT", "ELOOP ELOOP", "ENOENT ENOENT", "False", "False", "ELOOP"]


def test_a_descriptor_is_reopened_by_its_name(output_of: OutputOf) -> None:
    """As a shell does with /dev/fd/N: another open file of the same node."""
    output = output_of("""
import os
fd = os.open("/dev/dri/renderD129", os.O_RDWR)
os.dup2(fd, 0)
for path in (f"/dev/fd/{fd}", f"/proc/self/fd/{fd}", f"/proc/{os.getpid()}/fd//{fd}", "/dev/stdin"):
    again = os.open(path, os.O_RDWR)
    print(os.readlink(path) == "/dev/dri/renderD129" or path == "/dev/stdin", os.fstat(again) == os.fstat(fd))
    print(os.path.realpath(path), os.access(path, os.R_OK))
print(os.readlink(str(fd), dir_fd=os.open("/proc/self/fd", os.O_RDONLY)))
""")
    assert output == ["True True", "/dev/dri/renderD129 True"] * 4 + ["/dev/dri/renderD129"]


def test_nodes_are_found_by_their_bus_address(output_of: OutputOf) -> None:
    """The links that udev's rules make lead to the nodes, for ls and for open(), and udev knows them."""
    output = output_of("""
import os, pyudev
links = "/dev/dri/by-path"
for name in sorted(os.listdir(links)):
    fd = os.open(f"{links}/{name}", os.O_RDWR)
    print(name, os.readlink(f"{links}/{name}"), os.readlink(f"/proc/self/fd/{fd}"))
device = pyudev.Devices.from_device_file(pyudev.Context(), "/dev/dri/renderD129")
print(device.properties["DEVLINKS"])
""")
    assert output == [
        "pci-0000:03:00.0-card ../card0 /dev/dri/card0",
        "pci-0000:03:00.0-render ../renderD128 /dev/dri/renderD128",
        "pci-0000:07:00.0-card ../card1 /dev/dri/card1",
        "pci-0000:07:00.0-render ../renderD129 /dev/dri/renderD129",
        "/dev/dri/by-path/pci-0000:07:00.0-render",
    ]


def test_links_go_with_their_device(tmp_path: Path) -> None:
    """Removing a device removes the links to its node, and no others."""
    testbed = umockdev.Testbed(tmp_path)
    testbed.add(describe_gpu(load_identity("navi31"), 0, 0, 128))
    links = testbed.root / "dev/dri/by-path"
    assert len(list(links.iterdir())) == 2
    testbed.remove(f"/sys/devices/pci0000:00/0000:00:01.1/{pci_address(0)}/drm/card0")
    left = [link.name for link in links.iterdir()]
    testbed.close()
    assert left == ["pci-0000:03:00.0-render"]


def test_ordinary_devices_are_the_hosts(output_of: OutputOf) -> None:
    """/dev/null and its like stay what they are, in any number (umockdev 0.17 alone gives up at 50 at a time)."""
    output = output_of("""
import os
files = [open("/dev/null", "w") for _ in range(200)]
files[-1].write("gone")
print(os.stat("/dev/null").st_rdev == os.fstat(files[0].fileno()).st_rdev)
print(len(os.read(os.open("/dev/urandom", os.O_RDONLY), 8)))
""")
    assert output == ["True", "8"]


@pytest.mark.parametrize(
    ("without", "missing"), [("sw_sync", "/sys/kernel/debug/sync/sw_sync"), ("vgem", "/dev/dri/card1")]
)
def test_a_machine_can_lack_a_device(without: str, missing: str) -> None:
    """What a machine is built without can be neither seen nor opened."""
    script = f"""
import os
assert os.path.exists("/dev/dri/card0")
assert not os.path.exists({missing!r})
try:
    os.open({missing!r}, os.O_RDWR)
except FileNotFoundError:
    raise SystemExit(5)
"""
    with Machine(["navi31"], without=[without]) as machine:
        assert machine.run([sys.executable, "-c", script]) == 5


def test_a_uevent_reaches_a_monitor_with_a_filter(tmp_path: Path) -> None:
    """A udev monitor gets the event of a device that it filters for, with the properties of that event."""
    testbed = umockdev.Testbed(tmp_path)
    testbed.add(describe_gpu(load_identity("navi31"), 0, 0, 128))
    monitor = subprocess.Popen(
        [
            sys.executable,
            "-c",
            """
import pyudev
monitor = pyudev.Monitor.from_netlink(pyudev.Context())
monitor.filter_by("drm", "drm_minor")
monitor.start()
print("started", flush=True)
device = monitor.poll(20)
print(device.action, device.device_node, device.properties["WEDGED"])
""",
        ],
        env=os.environ | {"LD_PRELOAD": "libumockdev-preload.so.0", "UMOCKDEV_DIR": str(testbed.root)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert monitor.stdout is not None
    assert monitor.stdout.readline() == "started\n"
    device = f"/sys/devices/pci0000:00/0000:00:01.1/{pci_address(0)}"
    testbed.uevent(device, "change", {"WEDGED": "other"})
    testbed.uevent(f"{device}/drm/card0", "change", {"WEDGED": "rebind"})
    output, _ = monitor.communicate(timeout=30)
    testbed.uevent(f"{device}/drm/card0", "change")  # to a monitor that is gone
    testbed.close()
    assert output == "change /dev/dri/card0 rebind\n"


def test_without_libumockdev_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the module for libumockdev was not built, one sentence names the packages."""
    monkeypatch.setitem(sys.modules, "amdgpu_hw.mock.testbed._umockdev", None)
    with pytest.raises(umockdev.TestbedError, match=r"needs libumockdev: install umockdev and libumockdev-dev"):
        umockdev.Testbed(tmp_path)


def test_without_umockdevs_preload_library_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any program is started: ld.so would only warn, and the program would not be on the machine."""
    umockdev.check_preload()
    monkeypatch.setattr(umockdev, "PRELOAD", "libumockdev-preload.so.gone")
    with pytest.raises(umockdev.TestbedError, match=r"without libumockdev-preload.so.gone: install umockdev"):
        umockdev.check_preload()
