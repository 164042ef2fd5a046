# SPDX-License-Identifier: MIT
"""How long an unmap takes to become effective, and what it does to a submission right after it: the run.

Each cell of the grid is measured in rounds, its arms in turn (`grid.turns`); a round is one call into C
(`libdrm.sampling.run`). Between rounds the clocks are read and the GPU's health is looked at. A round that something
disturbed is flagged, kept, and taken once more.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import numpy as np

from amdgpu_hw.errors import DrmError, HarnessError, errno_name
from amdgpu_hw.evidence.health import HealthWatch
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm import sampling
from amdgpu_hw.libdrm.sampling import InFlight, SamplePlan, Samples, SamplingOutcome, Stage
from amdgpu_hw.measure.conditions import Clocks, clock_changes, clocks
from amdgpu_hw.measure.grid import LatencySettings, Turn, turns
from amdgpu_hw.measure.model import REPEATED, Cell, Conditions, LatencyResult, Round
from amdgpu_hw.measure.scene import Scene, require_update_fences, set_scene
from amdgpu_hw.measure.subject import Subjects
from amdgpu_hw.proof.units import duration, size

__all__ = ("Latency", "RunEnded", "ended_by", "troubles_of")

_MAY_END_EARLY = 0.1
"""Share of a round's samples whose operation found the load over already."""

_STAGES = {
    Stage.FORGET: "resetting the fences",
    Stage.LOAD: "submitting the load",
    Stage.OPERATION: "the operation",
    Stage.VICTIM: "submitting the victim",
    Stage.WAIT_UPDATE: "the operation's fence",
    Stage.WAIT_VICTIM: "the victim's fence",
    Stage.WAIT_LOAD: "the end of the load",
    Stage.RESTORE: "mapping again",
    Stage.WAIT_RESTORE: "the fence of mapping again",
}


class RunEnded(HarnessError):
    """Something ended the run before its time; what was measured until then is good."""


def ended_by(outcome: SamplingOutcome, troubles: Sequence[str], where: str, timeout_ns: int) -> tuple[str, str]:
    """Why a run goes no further: the flag of its last round, and a sentence. Empty if it does go on."""
    if troubles:
        what = "; ".join(troubles)
        return f"reset: {what}", f"the GPU did not stay well during {where} ({what}): see the kernel log"
    stage = _STAGES[outcome.stage]
    if outcome.error == errno.ETIME:
        flag = f"gate never opened: {stage} did not come within {duration(timeout_ns)}"
        return flag, f"{stage} did not come within {duration(timeout_ns)} during {where}: see the kernel log"
    if outcome.error:
        failed = f"{stage} failed with {errno_name(outcome.error)}"
        return failed, f"{failed} during {where}: see the kernel log"
    return "", ""


def troubles_of(watch: HealthWatch) -> list[str]:
    """`HealthWatch.troubles`, also of a GPU that does not answer any more."""
    try:
        return watch.troubles()
    except DrmError as error:
        return [f"the GPU does not answer: {error.errno_name}"]


class Latency:
    """One run on one GPU: `measure` takes the rounds, `result` is what there is so far, at any time."""

    def __init__(self, gpu: Gpu, options: LatencySettings, conditions: Conditions) -> None:
        require_update_fences(gpu)
        self.notes: list[str] = []
        self.rounds: list[Round] = []
        self.conditions = conditions
        self._complete = False
        self._gpu = gpu
        self._loads = tuple(load for load in options.loads if load.possible(gpu.capabilities.rings))
        self.notes += [f"{load}: this GPU has no such ring" for load in options.loads if load not in self._loads]
        self._options = options
        self._mappings = options.mappings
        flag = gpu.capabilities.explicit_sync
        self._has_flag = bool(flag)
        if not flag:
            self.notes.append(f"{flag.why}: both arms are the same implicit operation")

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The grid, without what this GPU cannot do."""
        return tuple(cell for load in self._loads for cell in self._options.cells(load, self._mappings))

    @property
    def result(self) -> LatencyResult:
        """Everything measured so far."""
        return LatencyResult(
            conditions=self.conditions,
            cells=self.cells,
            rounds=tuple(self.rounds),
            complete=self._complete,
            notes=tuple(self.notes),
        )

    @property
    def expected_ns(self) -> int:
        """About how long it takes: the sum of what the steps of `measure` say."""
        rounds = len(list(turns(self._options.blocks, self._options.null_blocks)))
        return rounds * sum(self._options.round_ns(cell.load) for cell in self.cells)

    def measure(self) -> Iterator[tuple[int, str]]:
        """Take all rounds, one per step; a step tells how long it was expected to take (ns) and which it was.

        Raises `RunEnded`, `DrmError`, `HarnessError`.
        """
        gpu, options = self._gpu, self._options
        with ExitStack() as stack:
            subjects = stack.enter_context(Subjects(gpu, options.mappings, max(options.sizes), options.timeout_ns))
            self.notes += subjects.missing.values()
            self._mappings = tuple(mapping for mapping in options.mappings if mapping not in subjects.missing)
            if not self.cells:
                raise HarnessError("; ".join(["nothing can be measured here", *self.notes]))
            watch = HealthWatch(gpu)
            for load in self._loads:
                with set_scene(gpu, load, options.job_ns) as scene:
                    for cell in options.cells(load, self._mappings):
                        yield from self._measure_cell(cell, scene, subjects, watch)
        self._complete = True

    def _measure_cell(
        self, cell: Cell, scene: Scene, subjects: Subjects, watch: HealthWatch
    ) -> Iterator[tuple[int, str]]:
        options = self._options
        subjects.map(cell.mapping, cell.size)
        plans = {explicit: self._plan(cell, scene, subjects, explicit) for explicit in {False, self._has_flag}}
        self._check(sampling.run(plans[False], options.warm_up).outcome, troubles_of(watch), cell)
        for turn in turns(options.blocks, options.null_blocks):
            # The A/A run has the flag: the shorter times are the noisier ones, so the floor is not too low.
            plan = plans[self._has_flag and turn.arm != "implicit"]
            taken = self._take(plan, cell, turn, watch, ())
            if not taken.usable:
                self._take(plan, cell, turn, watch, (REPEATED,))
            yield options.round_ns(cell.load), _words(cell)

    def _plan(self, cell: Cell, scene: Scene, subjects: Subjects, explicit: bool) -> SamplePlan:
        job = scene.job
        return SamplePlan(
            fd=self._gpu.fileno(),
            operation=subjects.operation(cell.operation, cell.mapping, cell.size, explicit=explicit),
            update_fence=subjects.update.handle,
            victim=scene.victim,
            victim_fence=scene.victim_fence,
            load=job.call if job else None,
            load_jobs=scene.load.jobs,
            load_fence=job.fence.handle if job else 0,
            restore=subjects.restore(cell.operation, cell.mapping, cell.size),
            restore_fence=subjects.restored.handle,
            timeout_ns=self._options.timeout_ns,
        )

    def _take(self, plan: SamplePlan, cell: Cell, turn: Turn, watch: HealthWatch, flags: tuple[str, ...]) -> Round:
        before, load_before = clocks(self._gpu), os.getloadavg()[0]
        samples = sampling.run(plan, self._options.samples)
        after, troubles = clocks(self._gpu), troubles_of(watch)
        flag, _ = ended_by(samples.outcome, troubles, _words(cell), self._options.timeout_ns)
        found = (flag, *_instabilities(samples, plan.load_jobs, before, after))
        taken = Round(
            cell=cell,
            index=turn.index,
            arm=turn.arm,
            order=turn.order,
            ioctl_ns=samples.ioctl_ns,
            fence_ns=samples.fence_ns,
            victim_ns=samples.victim_ns,
            clocks_before=before,
            clocks_after=after,
            load_before=load_before,
            load_after=os.getloadavg()[0],
            in_flight=_in_flight(samples) if plan.load_jobs else None,
            flags=(*flags, *filter(None, found)),
        )
        if len(samples.fence_ns):
            self.rounds.append(taken)
        self._check(samples.outcome, troubles, cell)
        return taken

    def _check(self, outcome: SamplingOutcome, troubles: Sequence[str], cell: Cell) -> None:
        """Raise `RunEnded` if it makes no sense to go on."""
        _, sentence = ended_by(outcome, troubles, _words(cell), self._options.timeout_ns)
        if sentence:
            raise RunEnded(sentence)


def _words(cell: Cell) -> str:
    return f"{cell.operation} of {size(cell.size)} {cell.mapping}, {cell.load}"


def _in_flight(samples: Samples) -> tuple[float, float]:
    at_start, at_end = ((samples.load & bit) != 0 for bit in (InFlight.AT_START, InFlight.AT_END))
    return (float(np.mean(at_start)), float(np.mean(at_end))) if len(samples.load) else (0.0, 0.0)


def _instabilities(samples: Samples, load_jobs: int, before: Clocks, after: Clocks) -> Iterator[str]:
    """Why a round is to be taken again."""
    if load_jobs and len(samples.load):
        early = np.count_nonzero(~samples.load & InFlight.AT_START)
        if early > _MAY_END_EARLY * len(samples.load):
            yield f"unstable: the load was over before the operation in {early} of {len(samples.load)} samples"
    yield from clock_changes(before, after)
