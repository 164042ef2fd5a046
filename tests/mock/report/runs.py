# SPDX-License-Identifier: MIT
"""Runs for the tests of reports: one with a case of every kind, on each kind of machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amdgpu_hw.verdict.machine import MachineDescription
from amdgpu_hw.verdict.model import Case, Evidence, Outcome
from amdgpu_hw.verdict.results import Results

Incident = dict[str, Any]

MOCK = MachineDescription(True, ("navi31",), "series-v1", "6.1 #1", "x86_64")
GUEST = MachineDescription(False, (), "", "7.3.4 #1 SMP", "x86_64", guest_gpus=("vega10",))
REAL = MachineDescription(False, (), "", "6.18.0 #1 SMP PREEMPT_DYNAMIC", "x86_64")
MACHINES = {"mock": MOCK, "guest": GUEST, "real": REAL}

NASTY = '# <b>&"</b> ]]> \x1b[31m | `code` [bold]\tend\x00'
"""What no format may take for its own."""


def holds(row: str = "B06", section: str = "explicit unmaps") -> Case:
    """A case that holds, with the moments of a fence and its gate."""
    case = Case(f"tests/hw/test_x.py::test_{row.lower()}[CLEAR]", row, f"{row} takes effect", ("B05",), Outcome.HOLDS)
    times = {"watched": "update fence", "done": True, "held": "job 1 of compute0"}
    moments = {"shut_at": 1_000_000, "opened_at": None, "began_at": 1_200_000, "ended_at": 1_600_000}
    case.evidence = [Evidence("fence", "update fence signalled after 0.4 ms", {**times, **moments})]
    case.done, case.gates, case.section, case.duration_ns = ["explicit REPLACE"], ["vgem"], section, 5_000_000
    return case


def broken() -> Case:
    """One that is broken as F4 says."""
    case = Case("tests/hw/test_x.py::test_b30", "B30", "covers its input fence", (), Outcome.BROKEN)
    case.reason, case.section = "CLEAR did not wait for the input fence.", "input, update fences"
    case.explanation = (
        "This is what a suspected fault of the series looks like: F4: input fences are dropped (patch 1)."
    )
    return case


def untestable(row: str, reason: str, missing: str = "", *, left_out: str = "") -> Case:
    """One that could not be tested."""
    case = Case(f"tests/hw/test_y.py::test_{row.lower()}", row, f"{row} is so", (), Outcome.NOT_TESTABLE, reason)
    case.missing, case.asked, case.left_out, case.section = missing, not left_out, left_out, "delayed updates"
    return case


def every_kind() -> list[Case]:
    """A case of each outcome, and words that every format has to quote."""
    odd = Case(
        f"tests/hw/test_z.py::test_odd[{NASTY}]", "T15", NASTY, (), Outcome.INCONCLUSIVE, f"{NASTY}\nsecond line"
    )
    cut = Case("tests/hw/test_z.py::test_cut", "T16", "nothing is left", (), Outcome.UNFINISHED, "RuntimeError: x")
    flaky = Case("tests/hw/test_z.py::test_flaky", "B45", "the last one is seen", (), Outcome.FLAKY, "it held on try 2")
    known = broken()
    known.test, known.row, known.expected = "tests/hw/test_x.py::test_b31", "B31", "F4: known. (x-fails.txt:3)"
    return [broken(), known, holds(), untestable("B33", "needs prt; EINVAL", "prt"), odd, cut, flaky]


def run(machine: MachineDescription = MOCK, cases: Sequence[Case] | None = None) -> Results:
    """Results of a run with these cases, by default one that proves everything."""
    results = Results(machine, ["amdgpu-hw", "validate"], {"amdgpu_hw": "0.1"}, gate="vgem")
    results.cases = list(cases) if cases is not None else [holds(), holds("B09"), holds("T01", "mapping tree, leaks")]
    results.probes = {"explicit_sync": {"supported": True, "errno": 0, "why": "the kernel accepts it"}}
    results.gpu = {
        "name": "AMD Radeon RX 7900 XTX",
        "pci_address": "0000:03:00.0",
        "node": "/dev/dri/renderD128",
        "gc_version": (11, 0, 0),
        "sdma_version": (6, 0, 0),
        "driver_version": (3, 65),
    }
    return results


FINGERPRINT = {
    "patch_id": "explicit sync v1",
    "kernel": {"version": "Linux version 6.18.0 (gcc 14)", "config": "c0ffee" * 10, "tainted": 64, "taint": "U"},
    "amdgpu": {"srcversion": "533BB7E5866E52F63B9ACCB", "build_id": None, "parameters": {"vm_debug": "0"}},
    "gpu": {
        "vbios": {"part_number": "113-D7020100", "version": "022.001", "date": "2022/10/05"},
        "firmware": {"gfx_me": "0x00000a2c (32)", "sdma": "0x00000013 (60)"},
        "bar_size": 256 << 20,
        "vram_size": 24 << 30,
        "visible_vram_size": 256 << 20,
    },
    "libraries": {"libdrm_amdgpu": {"path": "/usr/lib/libdrm_amdgpu.so.1.0.0", "version": "2.4.114"}, "mesa": None},
    "clients": [{"pid": 811, "name": f"sway{NASTY}", "compositor": True}],
    "all_clients_seen": False,
    "suite": {"version": "0.1", "commit": "1234567890abcdef1234", "sha256": "feedface" * 8},
}
"""As `amdgpu_hw.evidence.fingerprint` writes it, with a process that calls itself oddly."""


def incident(
    what: str, whose: str = "it was the work of process 4712 (glxgears), as the kernel's log says"
) -> Incident:
    """One as a result file has it."""
    kept = {"directory": "r.evidence/B06", "files": {"kernel.log": 812}, "missing": {"devcoredump": "it is for root"}}
    return {"what": what, "culprit": "others", "whose": whose, "gone": False, "evidence": kept}


def hurt() -> Results:
    """A run that was reset between two rows and in two, one of which may be, and that was killed in its last row."""
    spared, failed, last = holds(), holds("B09"), Case("tests/hw/test_z.py::test_last", "T16", "nothing is left")
    spared.incidents = [incident("the GPU was reset (spared)")]
    failed.outcome, failed.reason = Outcome.INCONCLUSIVE, "a reset or hang came between: the GPU was reset (told)"
    failed.incidents = [incident("the GPU was reset (told)")]
    failed.log = [f"[    1.{number:06d}] amdgpu 0000:03:00.0: record {number}" for number in range(20)]
    results = run(REAL, [spared, failed, last])
    results.incidents = [incident("the GPU was reset (between)") | {"before": "tests/hw/test_x.py::test_b09"}]
    results.fingerprint, results.kernel_log = FINGERPRINT, "/dev/kmsg"
    return results
