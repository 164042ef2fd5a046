# SPDX-License-Identifier: MIT
"""One order on one box, from the boot of its kernel to the fetched result, whatever happens to the box meanwhile.

Everything is done so that it can be done again: a run that is there is attached to, one that died is gone on with
(``validate --resume``), one that has ended is fetched. So a lost connection costs nothing, a hang the row that was
running, and a killed fleet as little.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from amdgpu_hw.atomic_file import replace_file
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.fleet.agent import LEAST_FREE
from amdgpu_hw.fleet.boot import boot_kernel, wait_for_box
from amdgpu_hw.fleet.box import Box, BoxFailed, Unreachable
from amdgpu_hw.fleet.events import Ending, Event, Note, Phase, Rows, State
from amdgpu_hw.fleet.orders import Order
from amdgpu_hw.fleet.plan import FleetPlan, PlannedPlace
from amdgpu_hw.fleet.remote import DiskFull, HeldByOther, Remote, RunProgress
from amdgpu_hw.fleet.unpack import unpack

__all__ = ("Conduct", "Installable", "Stopped", "result_path")

Done = TypeVar("Done")

_MOST_MISHAPS = 3
"""Hangs and deaths of one order before its place is given up."""

_MOST_LOSSES = 10
"""Connections that are lost one after the other without a look at the run in between."""

_VERDICTS = (ExitStatus.PROVEN, ExitStatus.BROKEN, ExitStatus.INCOMPLETE, ExitStatus.SILENT)


class Stopped(Exception):
    """Whoever gave the order wants no more of it."""


@dataclass(frozen=True, slots=True)
class Installable:
    """The wheel to install, its digest, and the wheels that it depends on, where they are to be copied as well."""

    wheel: Path
    digest: str
    wheels: tuple[Path, ...] = ()


def result_path(results: Path, order: Order) -> Path:
    """Where the result file of an order is kept here."""
    return results / "runs" / order.name / "result.json"


class Conduct:
    """A box, and what has to be known to carry out orders on it. ``tell`` takes what happens."""

    def __init__(
        self,
        plan: FleetPlan,
        place: PlannedPlace,
        box: Box,
        installable: Installable,
        results: Path,
        holder: str,
        tell: Callable[[Event], None],
        stop_asked: Callable[[float], bool],
    ) -> None:
        self._plan, self._place, self._box = plan, place, box
        self._installable, self._results, self._holder = installable, results, holder
        self._tell = tell
        self._stop_asked = stop_asked
        """Waits so many seconds, less if the order is to be stopped; whether it is."""
        self._remote = Remote(box, place.python, place.directory, plan.limits)
        self._seen = 0
        self._outcomes: dict[str, str] = {}
        self._mishaps = 0
        self._losses = 0
        self._last_progress = time.monotonic()

    def carry_out(self, order: Order) -> Ending:
        """Bring an order to its end."""
        self._seen, self._outcomes, self._mishaps, self._losses = 0, {}, 0, 0
        try:
            return self._until_it_ends(order)
        except Stopped:
            return self._stopped(order)
        except DiskFull as error:
            return Ending(State.LOST, str(error), place_is_broken=True)
        except HeldByOther as error:
            return Ending(State.LOST, f"{error}, for longer than {self._plan.limits.lock:g} s", place_is_broken=True)
        except (BoxFailed, Unreachable) as error:
            return Ending(State.LOST, str(error), place_is_broken=True)

    def _until_it_ends(self, order: Order) -> Ending:
        while True:
            try:
                ending = self._attempt(order)
            except Unreachable as error:
                self._losses += 1
                if self._losses > _MOST_LOSSES:
                    raise
                self._tell(Note(Phase.AWAY, str(error)))
                self._bring_back(str(error))
                continue
            if ending is not None:
                return ending

    def _attempt(self, order: Order) -> Ending | None:
        """Take the order one step nearer to its end; None: again, from what is there now."""
        self._remote.hello()
        # A run that is on the box already needs no other kernel: it runs, has ended, or died with the kernel it needs.
        progress = self._look(order)
        if progress.state in ("absent", "died") or progress.stopped:
            kernel = self._plan.kernel_named(order.kernel)
            limits = self._plan.limits
            wrong = self._once_free(
                lambda: boot_kernel(kernel, self._box, self._remote, limits, self._wait, self._tell)
            )
            if wrong:
                return Ending(State.LOST, wrong)
            program = self._prepared()
            self._begin(order, program)
            progress = self._look(order)
        while progress.state == "running":
            if time.monotonic() - self._last_progress > self._plan.limits.silence:
                self._end_hang(order)
                return None
            self._wait(self._plan.limits.poll)
            progress = self._look(order)
        if progress.state == "ended":
            return self._fetched(order, progress)
        self._mishap("the run died without a word: it was killed, or the box went down")
        return None

    def _prepared(self) -> str:
        """The program on the box."""
        made = self._installable
        self._tell(Note(Phase.PREPARE, made.wheel.name))
        return self._remote.prepare(made.wheel, made.digest, made.wheels)

    def _begin(self, order: Order, program: str) -> None:
        """Start the run, or go on with it."""
        result = self._remote.run_path(order.name, "result.json")
        goes_on = self._seen != 0
        if goes_on:
            self._tell(Note(Phase.RESUME, f"after {len(self._outcomes)} tests"))
        else:
            self._tell(Note(Phase.START, order.name))
        kernel = self._plan.kernel_named(order.kernel)
        files = ""
        if kernel.files and not kernel.boot:
            files = self._once_free(lambda: self._remote.put_file(Path(kernel.files)))
        arguments = [*kernel.arguments(order.gpu, files), *self._place.validate, *self._plan.validate]
        arguments += ["-k", self._plan.rows] if self._plan.rows else []
        command = [program, "validate", *arguments, f"--{'resume' if goes_on else 'results'}={result}"]
        self._once_free(lambda: self._remote.start(order.name, self._holder, command))
        self._last_progress = time.monotonic()

    def _once_free(self, what: Callable[[], Done]) -> Done:
        """Do something as soon as nobody else has a run on the box. Raises `HeldByOther` when that takes too long."""
        deadline = time.monotonic() + self._plan.limits.lock
        said = ""
        while True:
            try:
                return what()
            except HeldByOther as error:
                if time.monotonic() > deadline:
                    raise
                if str(error) != said:
                    said = str(error)
                    self._tell(Note(Phase.PLACE, said))
                self._wait(self._plan.limits.poll)

    def _look(self, order: Order) -> RunProgress:
        """Poll, and keep what is new."""
        progress = self._remote.poll(order.name, self._seen)
        self._losses = 0
        if progress.result:
            self._seen = progress.seen
            self._last_progress = time.monotonic()
            replace_file(result_path(self._results, order), progress.result.encode())
            self._tell_rows(progress.result)
        return progress

    def _tell_rows(self, result: str) -> None:
        try:
            cases = json.loads(result)["cases"]
            outcomes = {str(case["test"]): str(case["outcome"]) for case in cases}
        except (ValueError, KeyError, TypeError):
            return  # whoever reads the file says what is wrong with it
        new = {test: outcome for test, outcome in outcomes.items() if self._outcomes.get(test) != outcome}
        self._outcomes = outcomes
        if new:
            self._tell(Rows(new, len(outcomes)))

    def _end_hang(self, order: Order) -> None:
        """No test has ended for too long: kill the run, or the box."""
        self._mishap(f"no news for {self._plan.limits.silence:g} s although the box answers")
        if self._remote.stop(order.name, kill=True):
            return
        self._tell(Note(Phase.HANG, "the run cannot be killed: something in the kernel hangs"))
        self._cycle("what hangs in its kernel cannot be ended")

    def _mishap(self, what: str) -> None:
        self._mishaps += 1
        self._tell(Note(Phase.HANG, what))
        if self._mishaps > _MOST_MISHAPS:
            raise BoxFailed(f"{what}; that happened {self._mishaps} times in this order")

    def _bring_back(self, why: str) -> None:
        """Wait for a box that is away; cycle its power if it does not come back."""
        try:
            wait_for_box(self._box, self._remote, self._plan.limits.away, self._wait)
        except Unreachable:
            self._mishaps += 1
            if self._mishaps > _MOST_MISHAPS:
                raise BoxFailed(f"it was away {self._mishaps} times: {why}") from None
            self._cycle(why)

    def _cycle(self, why: str) -> None:
        if not self._box.has_power:
            raise BoxFailed(f"{why}; its power cannot be switched from here")
        self._tell(Note(Phase.POWER, "switched off and on"))
        self._box.power_cycle()
        try:
            wait_for_box(self._box, self._remote, self._plan.limits.boot, self._wait)
        except Unreachable as error:
            raise BoxFailed(f"it does not come back after its power was switched off and on: {error}") from None

    def _fetched(self, order: Order, progress: RunProgress) -> Ending:
        """The order's end, with all that it has left on the box kept here."""
        archive = result_path(self._results, order).with_name("packed.tar.gz")
        archive.parent.mkdir(parents=True, exist_ok=True)
        self._remote.fetch(order.name, archive)
        unpack(archive, archive.parent)
        archive.unlink()
        full = progress.free < LEAST_FREE
        with contextlib.suppress(BoxFailed):
            self._remote.forget(order.name)
        if full:
            return Ending(State.LOST, "its disk is full", progress.status, place_is_broken=True)
        if progress.timed_out:
            why = f"ended after {self._plan.limits.validate:g} s, the limit"
            return Ending(State.DONE, why, ExitStatus.INCOMPLETE)
        if progress.status in _VERDICTS:
            return Ending(State.DONE, "", progress.status)
        lines = progress.log.splitlines() or ["nothing was said about it"]
        if progress.status == ExitStatus.UNUSABLE:
            return Ending(State.UNUSABLE, lines[-1], progress.status)
        return Ending(State.LOST, f"amdgpu-hw validate ended with {progress.status}: {lines[-1]}", progress.status)

    def _wait(self, seconds: float) -> None:
        if self._stop_asked(seconds):
            raise Stopped

    def _stopped(self, order: Order) -> Ending:
        """End the run on the box in order, so that it can be gone on with, and keep what it has."""
        with contextlib.suppress(BoxFailed, Unreachable):
            self._remote.stop(order.name, kill=False)
            self._look(order)
        return Ending(State.INTERRUPTED, "the run of the fleet was ended")
