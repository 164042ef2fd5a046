# SPDX-License-Identifier: MIT
"""The kernel's log: where it is read, what is cut out of it, and what it means in the words of three kernels."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.evidence.kernel_log import JournalLog, KmsgLog, LogEvent, LogRecord, log_events
from amdgpu_hw.evidence.log_rules import EventKind

OURS, OTHER = 4711, 4712
DEVICE = "0000:03:00.0"
DEV = f"amdgpu {DEVICE}: "
DRM_6_1 = "[drm:amdgpu_job_timedout [amdgpu]] *ERROR* "


def events(*texts: str, ours: tuple[int, ...] = (OURS,), device: str = DEVICE) -> list[LogEvent]:
    """What records with these texts say."""
    return log_events([LogRecord(n, 3, text) for n, text in enumerate(texts)], ours, device)


TIMEOUTS = {
    "6.1": (
        f"{DRM_6_1}ring comp_1.0.0 timeout, signaled seq=1, emitted seq=3",
        f"{DRM_6_1}Process information: process a game pid {OTHER} thread worker:0 pid 4713",
    ),
    "6.12": (
        f"{DEV}amdgpu: ring comp_1.0.0 timeout, signaled seq=1, emitted seq=3",
        f"{DEV}amdgpu: Process information: process a game pid {OTHER} thread worker:0 pid 4713",
    ),
    "7.3": (
        f"{DEV}ring comp_1.0.0 timeout, signaled seq=1, emitted seq=3",
        f"{DEV} Process a game pid {OTHER} thread worker:0 pid 4713",
    ),
}


@pytest.mark.parametrize("kernel", TIMEOUTS)
def test_a_ring_timeout_names_ring_and_process(kernel: str) -> None:
    """amdgpu_job_timedout: two records, of which 6.1's name no device."""
    (event,) = events(*TIMEOUTS[kernel])
    assert (event.kind, event.ring) == (EventKind.RING_TIMEOUT, "comp_1.0.0")
    assert (event.process, event.pid, event.ours) == ("a game", OTHER, False)


FAULT = "src_id:0 ring:24 vmid:2 pasid:32770"
PROCESS = f"process python pid {OURS} thread python pid {OURS}"
PAGE = "in page starting at address 0x0000000100200000 from"
FAULTS = {
    "6.1, GFX8": (
        f"GPU fault detected: 146 0x0c80440c for {PROCESS}",
        "  VM_CONTEXT1_PROTECTION_FAULT_ADDR   0x00100200",
    ),
    "6.12, GFX8": (
        "GPU fault detected: 146 0x0c80440c",
        f" for {PROCESS}",
        "  VM_CONTEXT1_PROTECTION_FAULT_ADDR   0x00100200",
    ),
    "6.1, GFX9": (f"[gfxhub0] no-retry page fault ({FAULT}, for {PROCESS})", f"  {PAGE} IH client 0x1b (UTCL2)"),
    "6.1, GFX10": (f"[gfxhub] page fault ({FAULT}, for {PROCESS})", f"  {PAGE} client 0x1b (UTCL2)"),
    "6.12, GFX9": (f"[gfxhub0] no-retry page fault ({FAULT})", f" for {PROCESS})", f"  {PAGE} IH client 0x1b (UTCL2)"),
    "6.12, GFX11": (f"[gfxhub] page fault ({FAULT})", f" in {PROCESS})", f"  {PAGE} client 10"),
    "7.3": (f"[gfxhub] page fault ({FAULT})", f" {PROCESS.capitalize()}", f"  {PAGE} client 10"),
}


@pytest.mark.parametrize("kernel", FAULTS)
def test_a_vm_fault_names_process_and_address(kernel: str) -> None:
    """gmc_v*_process_interrupt: the address in bytes; on GFX8 the register has the page's number."""
    (event,) = events(*(f"{DEV}amdgpu: {text}" for text in FAULTS[kernel]))
    assert (event.kind, event.address) == (EventKind.VM_FAULT, 0x1_0020_0000)
    assert (event.pid, event.ours) == (OURS, True)


def test_two_faults_keep_their_own_addresses() -> None:
    """Those of one kernel come one after the other."""
    first, second = "0x0000000000001000", "0x0000000000002000"
    fault = f"{DEV}[gfxhub] page fault ({FAULT})"
    where = f"{DEV}  in page starting at address"
    found = events(fault, f"{where} {first} from client 10", fault, f"{where} {second} from client 10")
    assert [event.address for event in found] == [0x1000, 0x2000]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ring gfx timeout, but soft recovered", EventKind.SOFT_RECOVERY),
        ("Starting gfx_0.0.0 ring reset", EventKind.RESET_BEGIN),
        ("Ring gfx_0.0.0 reset succeeded", EventKind.RESET_SUCCEEDED),
        ("Ring gfx_0.0.0 reset failed", EventKind.RESET_FAILED),
        ("GPU reset begin!", EventKind.RESET_BEGIN),
        ("GPU reset begin!. Source:  1", EventKind.RESET_BEGIN),
        ("GPU jobs stop begin!", EventKind.RESET_BEGIN),
        ("GPU reset(2) succeeded!", EventKind.RESET_SUCCEEDED),
        ("GPU reset(2) failed", EventKind.RESET_FAILED),
        ("GPU reset(2) failed with error -110", EventKind.RESET_FAILED),
        ("GPU reset end with ret = -110", EventKind.RESET_FAILED),
        ("GPU Recovery Failed: -110", EventKind.RESET_FAILED),
        ("VRAM is lost due to GPU reset!", EventKind.VRAM_LOST),
        ("device lost from bus!", EventKind.LOST),
        ("device wedged, but no recovery needed", EventKind.WEDGED),
        ("device wedged, needs recovery", EventKind.WEDGED),
        ("Illegal instruction in SDMA command stream", EventKind.BAD_PACKET),
    ],
)
def test_resets_are_told_apart(text: str, kind: EventKind) -> None:
    """The words of 6.1, 6.12 and 7.3."""
    assert [event.kind for event in events(f"{DEV}{text}")] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "GPU reset end with ret = 0",
        "GPU reset succeeded, trying to resume",
        "amdgpu: ring gfx_0.0.0 uses VM inv eng 0 on hub 0",
        "device wedged",
        "[drm] ring test on 5 succeeded in 6 usecs",
        "usb 1-1: new device found, process pid 3",
    ],
)
def test_what_tells_nothing_is_no_event(text: str) -> None:
    """Neither of a reset, nor a process without an event before it."""
    assert events(f"{DEV}{text}") == []


def test_another_gpus_trouble_is_not_this_ones() -> None:
    """Records name the device; those of 6.1 that name none are taken."""
    text = "ring gfx timeout, signaled seq=1, emitted seq=3"
    assert events(f"amdgpu 0000:83:00.0: {text}") == []
    assert len(events(f"{DRM_6_1}{text}")) == 1


def test_our_own_markers_are_no_events() -> None:
    """Also where a row is named after what they are about."""
    assert events("amdgpu_hw: B01 test of GPU reset begin! ends") == []


@pytest.mark.parametrize(
    "text",
    [
        "BUG: kernel NULL pointer dereference, address: 0000000000000008",
        "WARNING: CPU: 1 PID: 88 at drivers/gpu/drm/amd/amdgpu/amdgpu_vm.c:1 amdgpu_vm_fini+0x1/0x2 [amdgpu]",
        "WARNING: possible circular locking dependency detected",
        "INFO: task python:88 blocked for more than 120 seconds.",
    ],
)
def test_checks_of_the_kernel_itself_are_seen(text: str) -> None:
    """They name no device."""
    assert [event.kind for event in events(text)] == [EventKind.KERNEL_BUG]


class Kmsg:
    """/dev/kmsg as far as a reader can tell: one record for each read()."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = directory / "kmsg"
        self._kernel, self._reader = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        opened = os.open

        def opens(path: object, flags: int, mode: int = 0o777) -> int:
            if path == self.path and flags & os.O_ACCMODE == os.O_RDONLY:
                os.set_blocking(self._reader.fileno(), not flags & os.O_NONBLOCK)
                return os.dup(self._reader.fileno())
            return opened(path, flags, mode) if isinstance(path, (str, Path)) else -1

        monkeypatch.setattr("amdgpu_hw.evidence.kernel_log.os.open", opens)

    def say(self, record: str) -> None:
        """Add a record."""
        self._kernel.send(record.encode())

    def close(self) -> None:
        """Give the sockets back."""
        self._kernel.close()
        self._reader.close()


@pytest.fixture
def kmsg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kmsg]:
    """A kernel that says what the test wants."""
    kmsg = Kmsg(tmp_path, monkeypatch)
    yield kmsg
    kmsg.close()


def test_records_of_kmsg_are_read_from_now_on(kmsg: Kmsg) -> None:
    """With time and level; the dictionary that follows a record is no part of its text."""
    kmsg.say("6,1,1000,-;before us\n")
    log = KmsgLog(kmsg.path)
    kmsg.say("3,2,2500000,-;amdgpu: ring; timeout\n SUBSYSTEM=pci\n DEVICE=+pci:0000:03:00.0\n")
    kmsg.say("30,3,2500001,c;from a daemon\n")
    assert log.take() == [LogRecord(2_500_000, 3, "amdgpu: ring; timeout"), LogRecord(2_500_001, 6, "from a daemon")]
    assert log.take() == []
    log.close()


def test_what_is_no_record_is_left_out(kmsg: Kmsg) -> None:
    """A kernel of tomorrow may say more; nothing it says may end a run."""
    log = KmsgLog(kmsg.path)
    for text in (";", "a,b,c;text", "6;text", "no semicolon", "\xff,\xfe"):
        kmsg.say(text)
    kmsg.say("6,1,5,-,caller=T1;well formed\n")
    assert [record.text for record in log.take()] == ["well formed"]
    log.close()


def test_markers_go_into_the_log_where_that_is_allowed(kmsg: Kmsg) -> None:
    """And nowhere, without a word, where not."""
    log = KmsgLog(kmsg.path)
    log.mark("nobody may write here")
    log.close()
    kmsg.path.touch()
    log = KmsgLog(kmsg.path)
    log.mark("B09 begins")
    log.close()
    assert kmsg.path.read_text() == "<5>amdgpu_hw: B09 begins\n"


def test_a_log_that_may_not_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No node, and no journalctl; a journal that shows nothing."""
    with pytest.raises(FeatureMissing, match="kmsg: No such file or directory"):
        KmsgLog(tmp_path / "kmsg")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FeatureMissing, match="there is no journalctl"):
        JournalLog()
    journalctl(tmp_path, "exit 0")
    with pytest.raises(FeatureMissing, match="shows no record to this user"):
        JournalLog()
    journalctl(tmp_path, "exit 1")
    with pytest.raises(FeatureMissing, match="journalctl fails"):
        JournalLog()


def journalctl(directory: Path, script: str) -> None:
    """A program of that name."""
    program = directory / "journalctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_the_journal_is_read_from_now_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From one cursor to the next."""
    entry = '{"__CURSOR": "%s", "__MONOTONIC_TIMESTAMP": "%d", "PRIORITY": "3", "MESSAGE": "%s"}'
    journalctl(
        tmp_path,
        f"""case "$*" in
        *--lines=1*) echo '{entry % ("one", 1, "before us")}' ;;
        *--after-cursor=one*) echo '{entry % ("two", 2000000, "GPU reset begin!")}' ;;
        esac""",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    log = JournalLog()
    assert [str(record) for record in log.take()] == ["[    2.000000] GPU reset begin!"]
    assert log.take() == []
