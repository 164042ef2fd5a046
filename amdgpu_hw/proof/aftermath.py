# SPDX-License-Identifier: MIT
"""What a row leaves behind: its GPU is drained, asked how it is, and closed; then its outcome is seen in that light."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from amdgpu_hw.discovery import GpuNode
from amdgpu_hw.errors import DrmError, PendingWork
from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.evidence.incident import Culprit, Incident, decisive
from amdgpu_hw.evidence.kernel_log import MARKER, LogEvent, LogRecord
from amdgpu_hw.evidence.log_rules import EventKind
from amdgpu_hw.evidence.machine_watch import Look, MachineWatch
from amdgpu_hw.evidence.trace import TraceInstance
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.proof.interrupts import Interrupts
from amdgpu_hw.proof.units import ms
from amdgpu_hw.verdict.model import Case, Outcome

__all__ = ("COMPLETE_NS", "RECOVERY_S", "Aftermath", "blame")

COMPLETE_NS = ms(5000)
"""How long work may take to end after its gate has opened: with runtime PM in between, long."""

RECOVERY_S = 70.0
"""How long the kernel may take to notice a hang, 60 s by default on compute rings before Linux 6.13, and to end it."""

_RECOVERY_NS = int(RECOVERY_S * 1e9)

_CASE_LOG_LINES = 200
_WARNING = 4
_NAMES = re.compile(r"amdgpu|\[drm|\bdrm\b|\bttm\b|gpu_sched")


class Aftermath:
    """Watches the GPU of a run from row to row."""

    def __init__(
        self,
        node: GpuNode,
        interrupts: Interrupts,
        keep_in: Path | None,
        trace: TraceInstance | None,
        why_no_trace: str,
    ) -> None:
        self._interrupts = interrupts
        self._watch = MachineWatch(node, keep_in, trace, why_no_trace)
        self._trace = trace
        self._guilty = False
        self._asked_for_reset = False
        self._incidents: list[Incident] = []
        self._look = Look()
        self.abandoned = ""
        """Why nothing more can be tested in this process; empty while something can."""

    @property
    def kernel_log(self) -> str:
        """Where the kernel's log is read, or why it is not."""
        return self._watch.log_source or f"not read: {self._watch.why_no_log}"

    def begin(self, case: Case) -> Incident | None:
        """Mark the beginning of a row; what has happened since the last one ended."""
        before = self._watch.look(f"before-{case.row}")
        self._watch.mark(f"{case.row} {case.test_name} begins")
        if self._trace is not None:
            self._trace.forget()
        self._guilty, self._incidents, self._look = False, [], Look()
        self._asked_for_reset = False
        return before.incident

    def leave(self, gpu: Gpu, name: str, fault_before: str | None) -> str | None:
        """Take back the GPU of the row called ``name``; a VM fault that is not ``fault_before``, in words.

        Its queues are drained and what is mapped is unmapped before it is asked: a hang that the row's last unmap has
        caused is its own. Work that does not end is waited for until the kernel has got rid of it; if it never does,
        the GPU stays open and `abandoned` says so. Raises `DrmError`, with the GPU closed.
        """
        try:
            if not self._ended(name, gpu.settle):
                return None
            self._guilty |= not self._asked_for_reset and gpu.is_guilty()
            if not self._ended(name, gpu.vacate):
                return None
            fault = vm_fault(gpu)
        except DrmError:
            gpu.drop()
            raise
        gpu.close(COMPLETE_NS)
        return fault if fault != fault_before else None

    def _ended(self, name: str, wait: Callable[[int], None]) -> bool:
        """Whether all work ended, in the end; while it hangs the evidence is kept."""
        try:
            wait(COMPLETE_NS)
        except PendingWork as error:
            stuck = self._watch.look(f"{name}-hangs", stuck=str(error))
            self._remember(stuck)
        else:
            return True
        try:
            with self._interrupts:
                wait(_RECOVERY_NS)
        except PendingWork as error:
            self.abandoned = f"work of {name} is still in flight {RECOVERY_S:g} s later: {error}"
            return False
        return True

    def note_reset(self) -> None:
        """The row has had the GPU reset: nothing of that is held against anybody."""
        self._asked_for_reset = True
        self._remember(self._watch.note_reset())

    def end(self, case: Case, *, tolerated: bool) -> list[Incident]:
        """See the row's outcome in the light of what has happened meanwhile; the incidents.

        ``tolerated``: the row may make the GPU fault or hang.
        """
        self._remember(self._watch.look(case.row, guilty=self._guilty))
        self._watch.mark(f"{case.row} {case.test_name} ends: {case.outcome.value}")
        blame(case, self._incidents, self._look.events, tolerated=tolerated)
        self._note(case)
        return self._incidents

    def give_up(self, case: Case) -> None:
        """Keep the evidence of a row that does not come back at all, which does not say that the GPU hangs."""
        look = self._watch.look(f"{case.row}-hangs", guilty=self._guilty, stuck="its test does not come back")
        self._remember(look)
        if look.resets:
            blame(case, self._incidents, self._look.events, tolerated=False)
        elif look.incident is not None and look.incident.kept.directory:
            case.reason += f"\nEvidence is in {look.incident.kept.directory}."
        self._note(case)

    def _note(self, case: Case) -> None:
        case.incidents = [incident.to_json() for incident in self._incidents]
        case.log_events = [event.to_json() for event in self._look.events]
        case.log = _about_gpus(self._look.log)

    def close(self) -> None:
        """Stop watching."""
        self._watch.close()

    def _remember(self, look: Look) -> None:
        self._look.events += look.events
        self._look.log += look.log
        if look.incident is not None:
            self._incidents.append(look.incident)


def blame(case: Case, incidents: Sequence[Incident], events: Sequence[LogEvent], *, tolerated: bool) -> None:
    """Change a case's outcome where a reset or a hang has taken its meaning, or shown another.

    Its own hang breaks it, and so does work of its own that is late without any reset. After somebody else's reset, or
    one of which nobody knows whose it is, nothing that it saw proves anything: fences signal, and calls fail, because
    of the reset (ECANCELED, ETIME, ENODATA).
    """
    if not incidents:
        _blame_logged_fault(case, events, tolerated=tolerated)
        return
    culprit = decisive(incidents).culprit
    story = "; ".join(incident.words for incident in incidents)
    late = culprit is Culprit.UNKNOWN and not any(incident.reset for incident in incidents)
    if culprit is Culprit.OURS or late:
        if not tolerated:
            _set(case, Outcome.BROKEN, f"its work hung: {story}")
    elif case.outcome is not Outcome.NOT_TESTABLE:
        _set(case, Outcome.INCONCLUSIVE, f"a reset or hang came between: {story}")
        case.explanation = ""


def _blame_logged_fault(case: Case, events: Sequence[LogEvent], *, tolerated: bool) -> None:
    """Before driver version 3.55 only the log tells of VM faults (AMDGPU_INFO_GPUVM_FAULT)."""
    faults = [event for event in events if event.kind is EventKind.VM_FAULT and event.ours]
    if faults and not tolerated and case.outcome is Outcome.HOLDS:
        _set(case, Outcome.BROKEN, f"the kernel's log has a {faults[0].words}")


def _set(case: Case, outcome: Outcome, why: str) -> None:
    before = case.reason.partition("\n")[0]
    case.outcome = outcome
    case.reason = f"{why}; before that: {before}" if before else why


def _about_gpus(log: Sequence[LogRecord]) -> list[str]:
    """Records about GPUs, and warnings; of very many the first and the last."""
    lines = [
        str(record)
        for record in log
        if not record.text.startswith(MARKER) and (record.level <= _WARNING or _NAMES.search(record.text))
    ]
    half = _CASE_LOG_LINES // 2
    if len(lines) <= _CASE_LOG_LINES:
        return lines
    return [*lines[:half], f"... {len(lines) - 2 * half} more ...", *lines[-half:]]
