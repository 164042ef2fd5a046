# SPDX-License-Identifier: MIT
"""Evidence on the disk: what is written, what is cut, and what is said where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amdgpu_hw.evidence import debugfs, devcoredump
from amdgpu_hw.evidence.clients import GpuClient
from amdgpu_hw.evidence.devcoredump import Devcoredump
from amdgpu_hw.evidence.keeper import EvidenceKeeper, Kept
from amdgpu_hw.evidence.kernel_log import LogRecord

ADDRESS = "0000:03:00.0"


def keep(keeper: EvidenceKeeper, *, dump: Devcoredump | None = None, trace: str = "", name: str = "B09") -> Kept:
    """Keep one line of log, one client, and what is given."""
    return keeper.keep(
        name,
        pci_address=ADDRESS,
        primary_node="/dev/dri/card0",
        log=[LogRecord(1_000_000, 3, "ring timeout")],
        why_no_log="",
        clients=[GpuClient(4711, "glxgears", "1", "/dev/dri/renderD128", "drm-driver:\tamdgpu\n")],
        dump=dump,
        trace=trace,
        why_no_trace="no tracefs",
    )


@pytest.fixture(autouse=True)
def _rings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A debugfs of one GPU; reading amdgpu_gpu_recover resets it."""
    directory = tmp_path / "dri" / "0"
    directory.mkdir(parents=True)
    for file in ("amdgpu_fence_info", "amdgpu_ring_gfx", "amdgpu_gpu_recover", "amdgpu_test_ib", "amdgpu_vm_info"):
        (directory / file).write_text(f"{file}\n")
    monkeypatch.setattr(debugfs, "_ROOT", tmp_path / "dri")


def test_what_is_kept_lies_below_the_directory(tmp_path: Path) -> None:
    """And only what can be read without touching the GPU: no reset, no test, no lock of a hung job."""
    dump = tmp_path / "data"
    dump.write_bytes(b"**** AMDGPU Device Coredump ****\n")
    kept = keep(EvidenceKeeper(tmp_path / "e"), dump=Devcoredump("devcd1", dump), trace="drm_sched_job_queue\n")
    place = tmp_path / "e" / "B09"
    assert kept.directory == str(place)
    names = {"kernel.log", "scheduler.trace", "clients.txt", "devcoredump", "amdgpu_fence_info", "amdgpu_ring_gfx"}
    assert {path.name for path in place.iterdir()} == names == set(kept.files)
    assert (place / "kernel.log").read_text() == "[    1.000000] ring timeout\n"
    assert "process 4711 (glxgears)" in (place / "clients.txt").read_text()
    assert not kept.missing


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """With the reason that whoever could not get it gave."""
    kept = keep(EvidenceKeeper(tmp_path / "e"))
    assert kept.missing == {"scheduler.trace": "no tracefs", "devcoredump": "the kernel made none"}
    kept = keep(EvidenceKeeper(tmp_path / "e"), dump=Devcoredump("devcd1", tmp_path / "nothing"))
    assert "No such file" in kept.missing["devcoredump"]


def test_a_dump_that_is_read_slowly_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux 6.12 prints all of it for each page that is read, which may take minutes."""
    monkeypatch.setattr(devcoredump, "_READ_S", -1)
    pipe = tmp_path / "data"
    os.mkfifo(pipe)
    # Both ends, so that a read of nothing would block: only the first read may be made.
    end = os.open(pipe, os.O_RDWR)
    try:
        os.write(end, b"**** AMDGPU Device Coredump ****\n")
        kept = keep(EvidenceKeeper(tmp_path / "e"), dump=Devcoredump("devcd1", pipe))
    finally:
        os.close(end)
    assert (tmp_path / "e" / "B09" / "devcoredump").read_bytes() == b"**** AMDGPU Device Coredump ****\n"
    assert kept.missing["devcoredump"].startswith("what could be read in")


def test_evidence_is_bounded_and_says_so(tmp_path: Path) -> None:
    """Of a log the end is kept, of a dump the beginning; when a run has kept enough, only the fact is noted."""
    dump = tmp_path / "data"
    dump.write_bytes(b"begin" + bytes(100))
    keeper = EvidenceKeeper(tmp_path / "e", limit=120)
    kept = keep(keeper, dump=Devcoredump("devcd1", dump), trace="")
    assert kept.missing["devcoredump"] == f"cut to {kept.files['devcoredump']} bytes"
    assert (tmp_path / "e" / "B09" / "devcoredump").read_bytes().startswith(b"begin")
    assert sum(kept.files.values()) == 120
    again = keep(keeper)
    assert sum(again.files.values()) == 0
    assert again.missing["kernel.log"] == "cut to 0 bytes"


def test_earlier_evidence_is_not_overwritten(tmp_path: Path) -> None:
    """Of the same row, in this run or in one before."""
    places = [keep(EvidenceKeeper(tmp_path / "e")).directory for _ in range(3)]
    assert [Path(place).name for place in places] == ["B09", "B09-2", "B09-3"]


def test_a_name_cannot_lead_out_of_the_directory(tmp_path: Path) -> None:
    """Names of tests may hold anything."""
    assert Path(keep(EvidenceKeeper(tmp_path / "e"), name="../../x/[y]").directory).parent == tmp_path / "e"


@pytest.mark.parametrize("directory", [None, Path("/proc/nowhere")])
def test_a_run_without_a_place_goes_on(directory: Path | None) -> None:
    """One sentence in the result."""
    kept = keep(EvidenceKeeper(directory))
    assert kept.directory == ""
    assert list(kept.missing) == ["all"]


def test_a_file_that_does_not_answer_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that hangs may block whoever reads its files (here a FIFO that nobody writes)."""
    fifo = tmp_path / "dri" / "0" / "amdgpu_ring_sdma0"
    os.mkfifo(fifo)
    monkeypatch.setattr(debugfs, "_READ_S", 0.1)
    kept = keep(EvidenceKeeper(tmp_path / "e"))
    assert kept.missing["amdgpu_ring_sdma0"] == "could not be read within 0.1 s"
    os.close(os.open(fifo, os.O_WRONLY))  # lets the thread end
