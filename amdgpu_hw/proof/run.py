# SPDX-License-Identifier: MIT
"""One run of the tests on one GPU: which GPU, what it can do, the gate in use, and the results so far."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amdgpu_hw.discovery import list_gpus, select_gpu
from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.evidence.fingerprint import fingerprint, gpu_facts
from amdgpu_hw.evidence.incident import Culprit, Incident, decisive
from amdgpu_hw.evidence.module_parameters import given_parameters, known_parameter
from amdgpu_hw.evidence.trace import TraceInstance
from amdgpu_hw.gate import Choice, Gate, choose
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.options.suite import PREFIX, STOP, SessionOptions
from amdgpu_hw.proof.aftermath import Aftermath
from amdgpu_hw.proof.behaviour import MARKER, Behaviour
from amdgpu_hw.proof.interrupts import Interrupts
from amdgpu_hw.proof.neighbour import NeighbourProcess
from amdgpu_hw.proof.record import NotAsked, NotTestable, Record
from amdgpu_hw.proof.resume import Resumed
from amdgpu_hw.verdict.expectation_files import load, subject, write
from amdgpu_hw.verdict.expectations import Status, compare
from amdgpu_hw.verdict.machine import command_line, software_versions, this_machine
from amdgpu_hw.verdict.model import Case, Outcome, apply_controls
from amdgpu_hw.verdict.results import ResultFile, Results

__all__ = ("RECORD", "RUN", "Run", "behaviour_of", "evidence_directory")

RECORD = pytest.StashKey[Record]()
"""Where an item keeps its notes."""


def behaviour_of(item: pytest.Item) -> Behaviour | None:
    """What a test proves; None for tests that are not about the kernel's behaviour."""
    marker = item.get_closest_marker(MARKER)
    value = marker.args[0] if marker is not None and marker.args else None
    return value if isinstance(value, Behaviour) else None


_IMPLIED = {"update_fence": "page_table_jobs", "input_fence": "page_table_jobs"}
"""Needs behind needs: what fences tell of page tables they tell of jobs that write them."""


class Run:
    """A run, opened on the GPU that ``selector`` names; raises what `open_gpu` and `choose` raise.

    `start` has to be called before its first case.
    """

    def __init__(self, selector: str | None, options: SessionOptions) -> None:
        self._stops = options.after_reset == STOP
        self._aftermath: Aftermath | None = None
        self.allow_faults = options.allow_faults
        # How the user says it: the command takes the options without pytest's prefix.
        self._prefix = "--" if options.require_proof else PREFIX
        self.stress = options.stress
        self.watch_ns = options.watch
        self.test_s = options.test_s
        """How long a test may take."""
        self.answer_s = 2 * options.timeout
        """How long another process of ours may take to start, and to answer: it shows nothing about the kernel.

        Python and the package have to be read, on emulated processors and busy machines as well. Less than what a test
        and its fixtures may take together, so that it is said what did not come.
        """
        expectations, drafts = options.expectations_in(), options.write_expectations
        self.results = Results(this_machine(), command_line(), software_versions())
        self.files = [ResultFile(path) for path in options.written]
        self.node = select_gpu(selector)
        with Gpu(self.node) as self._gpu:
            self.gpu_name = str(self._gpu)
            self.probes = self._gpu.capabilities.probes()
            self.results.gpu = asdict(self._gpu.identity)
            self._gpu_facts = gpu_facts(self._gpu)
        self._require(options.require)
        self._subject = subject(self.results.machine, self.results.gpu, known_parameter, given_parameters())
        self.expectations = load(expectations, self._subject) if expectations is not None else None
        self.results.expectations = self.expectations.files if self.expectations is not None else None
        if drafts is not None:
            drafts.mkdir(parents=True, exist_ok=True)
        self._drafts = load(drafts, self._subject, drafts=True) if drafts is not None else None
        self._failures: list[str] = []
        self.results.probes = {
            name: {"supported": probe.supported, "errno": probe.errno, "why": probe.why}
            for name, probe in self.probes.items()
        }
        self._choice: Choice = choose(self.node.node, options.gate)
        self.trace, self.why_no_trace = _open_trace()
        self.neighbour = NeighbourProcess(self.node.node, self.answer_s)
        self.results.gate, self.results.gates = self._choice.name, self._choice.why_not
        self.results.options = options.for_cases(self._choice.name).argv()
        self.results.other_gpus = [str(node) for node in list_gpus() if node != self.node]

    def _require(self, names: Iterable[str]) -> None:
        """Raise `FeatureMissing` if the machine lacks one of the capabilities that the user asks for."""
        for name in names:
            if not self.probes[name]:
                raise FeatureMissing(f"--require {name}: {self.gpu_name} lacks it here; {self.probes[name].why}")

    def start(self, options: SessionOptions, interrupts: Interrupts, resumed: Resumed | None = None) -> None:
        """Find out what the run is one of, and begin to watch the machine; ``interrupts`` may end its long waits.

        ``resumed`` is what it goes on with, if anything. Raises `HarnessError` where that is of another run.
        """
        self.results.fingerprint = fingerprint(self._gpu_facts, options.patch_id or "")
        if resumed is not None:
            resumed.go_on(self.results)
        keep_in = evidence_directory(options.written)
        self._aftermath = Aftermath(self.node, interrupts, keep_in, self.trace, self.why_no_trace)
        self.results.kernel_log = self.aftermath.kernel_log

    @property
    def aftermath(self) -> Aftermath:
        """What watches the machine from row to row."""
        if self._aftermath is None:
            raise RuntimeError("the run has not been started")
        return self._aftermath

    def open_gpu(self) -> Gpu:
        """The GPU with a new address space."""
        return Gpu(self.node, self._gpu)

    def require(self, case: Case, behaviour: Behaviour) -> None:
        """Raise `NotTestable` if a behaviour cannot be tested on this machine, or must not be."""
        entry = self.expectations.not_run(case) if self.expectations is not None else None
        if entry is not None:
            raise NotTestable(f"not run: {entry.reason}")
        for name in _with_implied(behaviour.needs):
            if not self.probes[name]:
                raise NotTestable(f"needs {name.replace('_', ' ')}; {self.probes[name].why}", missing=name)
        if behaviour.harm and not self.allow_faults:
            option = SessionOptions.spelled("allow_faults", self._prefix)
            raise NotAsked(f"needs {option}: it {behaviour.harm}", option)

    def is_expected_to_fail(self, case: Case) -> bool:
        """Whether an entry of the expectations speaks of a case: nobody is surprised then that it does not hold."""
        entry = self.expectations.of(case) if self.expectations is not None else None
        return entry is not None and entry.status is not Status.PASS

    def judge(self, known: Collection[str] | None) -> None:
        """Judge the cases by their controls and by the expectations; ``known`` as `compare` takes it."""
        cases = self.results.cases
        apply_controls(cases)
        if self.results.interrupted:  # what did not finish then is nobody's surprise
            cases = [case for case in cases if case.outcome is not Outcome.UNFINISHED]
        if self.expectations is not None:
            supported = {name: bool(probe) for name, probe in self.probes.items()}
            self.results.expectation_faults = compare(cases, self.expectations, supported, known)
        if self._drafts is not None:
            try:
                write(cases, self._subject, self._drafts)
            except OSError as error:
                self._failures.append(f"The expectations could not be written: {error}.")

    def may_fault(self, item: pytest.Item) -> bool:
        """Whether a test expects the GPU to fault."""
        behaviour = behaviour_of(item)
        return behaviour is not None and behaviour.faults

    def shut(self, purpose: str) -> Gate:
        """A new, shut gate of the chosen kind; raises `NotTestable` if there is no kind, `GateError` if it fails."""
        maker = self._choice.maker
        if maker is None:
            reasons = "; ".join(f"{name}: {why}" for name, why in self._choice.why_not.items())
            raise NotTestable(f"no gate can be had here: {reasons}")
        return maker.shut(purpose, maker.longest_hold_ns)

    def note_reset(self) -> None:
        """A row has had the GPU reset: it is nobody's fault, and gates of before are no good any more."""
        self.aftermath.note_reset()
        if self._choice.maker is not None:
            self._choice.maker.renew()

    def begin(self, case: Case) -> Incident | None:
        """Add a case, which has not finished until it says otherwise; a reset or hang between the last one and it."""
        incident = self.aftermath.begin(case)
        if incident is not None:
            self.results.incidents.append(incident.to_json() | {"before": case.test})
        case.started = datetime.now(UTC).isoformat()
        # A control that a resumed run needs once more takes the place of what it was, not before.
        self.results.cases = [known for known in self.results.cases if known.test != case.test] + [case]
        self.save()
        return incident

    def end(self, case: Case, behaviour: Behaviour) -> str:
        """See a case's outcome in the light of what has happened to the GPU meanwhile; why the run must end, or ""."""
        incidents = self.aftermath.end(case, tolerated=behaviour.faults)
        if self._choice.maker is not None and any(incident.reset and not incident.gone for incident in incidents):
            self._choice.maker.renew()
        if incidents or case.outcome is not Outcome.HOLDS:
            self.save()  # what holds is written with the next case, which begins at once: half of all writes
        return self.why_end(f"in {case.row}", incidents, tolerated=behaviour.faults)

    def why_end(self, where: str, incidents: Sequence[Incident], *, tolerated: bool = False) -> str:
        """Why nothing can or shall be tested after incidents ``where`` (in or before a row); empty if it can."""
        if self.aftermath.abandoned:
            return self.aftermath.abandoned
        if any(incident.gone for incident in incidents):
            return f"the GPU is gone, or does not come back from its reset, {where}"
        own = incidents and decisive(incidents).culprit is Culprit.OURS
        if not self._stops or not incidents or (own and tolerated):
            return ""
        resume = f"--resume {self.files[0].path} goes on, " if self.files else ""
        return f"the GPU was reset or hung {where}: {resume}--after-reset continue does not stop there"

    def save(self) -> None:
        """Write the result files."""
        for file in self.files:
            file.write(self.results)

    @property
    def file_failures(self) -> list[str]:
        """What went wrong with the files that the run writes, a sentence each."""
        return [*self._failures, *(file.failure for file in self.files if file.failure is not None)]

    def close(self) -> None:
        """Give the gate maker back, and the other process."""
        if self._aftermath is not None:
            self._aftermath.close()
        self.neighbour.close()
        if self._choice.maker is not None:
            self._choice.maker.close()
        if self.trace is not None:
            self.trace.close()


def evidence_directory(files: Sequence[Path]) -> Path | None:
    """Where evidence of hangs is kept: beside the first result file, under its name."""
    return files[0].with_name(f"{files[0].stem}.evidence") if files else None


def _open_trace() -> tuple[TraceInstance | None, str]:
    """A trace of the scheduler, or why there is none."""
    try:
        return TraceInstance(), ""
    except (FeatureMissing, OSError) as error:
        return None, f"the scheduler cannot be traced: {error}"


RUN = pytest.StashKey[Run]()
"""Where pytest's config keeps the run."""


def _with_implied(needs: Iterable[str]) -> dict[str, None]:
    """The needs with those behind them, each once."""
    return dict.fromkeys(each for need in needs for each in (need, _IMPLIED.get(need, need)))
