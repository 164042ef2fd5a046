# SPDX-License-Identifier: MIT
"""The pytest side of a run: which tests are about the kernel, what each one's end means, and the report."""

from __future__ import annotations

import contextlib
import errno
import inspect
import os
import shutil
import sys
import threading
from collections.abc import Collection, Generator
from datetime import UTC, datetime

import pytest

from amdgpu_hw.atomic_file import forget_unwritten
from amdgpu_hw.errors import AmdgpuHwError, DrmError, FeatureMissing, GateError, HarnessError, NoGpu, PendingWork
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.gate import open_all, open_what_can_be
from amdgpu_hw.options.suite import PREFIX, GpuChoice, SessionOptions
from amdgpu_hw.proof.behaviour import FLAG, Behaviour
from amdgpu_hw.proof.declarations import Suites, check_declarations
from amdgpu_hw.proof.interrupts import Interrupts
from amdgpu_hw.proof.record import Broken, Inconclusive, NotAsked, NotTestable, Record
from amdgpu_hw.proof.resume import Resumed
from amdgpu_hw.proof.run import RECORD, RUN, Run, behaviour_of
from amdgpu_hw.proof.watchdog import TestWatchdog
from amdgpu_hw.verdict.expectations import names_of
from amdgpu_hw.verdict.model import Case, Outcome, Verdict
from amdgpu_hw.verdict.summary import summary_text
from amdgpu_hw.verdict.table import verdict_text

__all__ = ("STATUS", "Collector")

STATUS = pytest.StashKey[ExitStatus]()
"""Where pytest's config keeps what a run ends with that requires proof; pytest's own statuses mean other things."""

_CASE = pytest.StashKey[Case]()
_BEHAVIOUR = pytest.StashKey[Behaviour]()

_LAST_LOOK_S = 90.0
"""How long looking at a hung GPU, and saving what is known, may take."""

_WORTH_ANOTHER_TRY = (Inconclusive, GateError)


class _TooSlow(Inconclusive):
    """A test took too long, and was not waiting for the kernel: that says nothing about it, nor would another try."""


class Collector:
    """Hooks of a pytest session with a suite; does nothing where no test of behaviour is among what runs."""

    def __init__(self, config: pytest.Config, suites: Suites) -> None:
        self._config = config
        self._suites = suites
        self._run: Run | None = None
        self._interrupts = Interrupts()
        self._no_gpu: str | None = None
        self._known: set[str] | None = None
        self._other_failures = False
        self._resumed: Resumed | None = None

    # -- collection -------------------------------------------------------------------------------------------

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Let ``-k B09`` choose by row: people know the row of a verdict better than the name of its test."""
        behaviour = behaviour_of(item)
        if behaviour is not None:
            item.extra_keyword_matches.add(behaviour.row)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, object, object]:
        """Open the run; put every control before what it controls, and back in where ``-k`` took it out."""
        everything = list(items)
        check_declarations(everything, self._suites)
        result = yield
        wanted = self._options.test
        if wanted:
            _check_ids(wanted, everything)
            items[:] = [item for item in items if is_named(item.nodeid, wanted)]
        # A run that is gone on with is judged again, also where it was cut short after its last test.
        is_run = any(behaviour_of(item) for item in items) and not self._config.option.collectonly
        self._resume(items)
        items[:] = with_controls(items, everything)
        if self._resumed is not None:
            items[:] = [item for item in items if item.nodeid not in self._resumed.suspects]
        self._known = known_names(items) if _is_everything(self._config, items, everything) else None
        if is_run:
            self._open_run()
        return result

    def _resume(self, items: list[pytest.Item]) -> None:
        """Leave out what the run that is gone on with knows already."""
        path = self._options.resume
        if path is None or self._config.option.collectonly:
            return
        try:
            self._resumed = Resumed(path)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None
        done = self._resumed.done
        items[:] = [item for item in items if behaviour_of(item) is not None and item.nodeid not in done]

    @property
    def _options(self) -> SessionOptions:
        """What the user said."""
        return SessionOptions.of(self._config.option, PREFIX)

    def _open_run(self) -> None:
        options, selector = self._options, GpuChoice.of(self._config.option, PREFIX).gpu
        self._interrupts.take()
        try:
            with TestWatchdog(options.timeout, self._give_up_opening, "the first look at the GPU"):
                run = Run(selector, options)
            try:
                run.start(options, self._interrupts, self._resumed)
            except BaseException:
                run.close()
                raise
            self._run = run
            self._config.stash[RUN] = self._run
        except NoGpu as error:
            self._interrupts.restore()
            if selector is not None:
                raise pytest.UsageError(str(error)) from None
            self._no_gpu = str(error)
        except (AmdgpuHwError, OSError) as error:
            self._interrupts.restore()
            raise pytest.UsageError(str(error)) from None
        self._interrupts.check()

    def pytest_report_collectionfinish(self) -> list[str]:
        """Say on what the tests run, in words."""
        if self._no_gpu is not None:
            return [f"amdgpu_hw: {self._no_gpu}; tests of behaviour are skipped, unless --amdgpu-mock is given"]
        if self._run is None:
            return []
        results = self._run.results
        if self._config.option.verbose < 0:
            return [f"{results.machine.words}: {self._run.gpu_name}"]
        return [
            f"amdgpu_hw: {results.machine.words}: {results.machine.sentence}",
            f"amdgpu_hw: {self._run.gpu_name}, gate {results.gate or 'none'}",
        ]

    def _give_up_opening(self, report: str, _stuck: bool) -> None:
        with self._uncaptured():
            print(f"amdgpu_hw: {report}", file=sys.stderr, flush=True)
        forget_unwritten()
        os._exit(ExitStatus.UNUSABLE)

    # -- running ----------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin a case; skip what this machine cannot show."""
        behaviour = behaviour_of(item)
        if behaviour is None:
            return
        if self._run is None:
            pytest.skip(self._no_gpu or "no GPU")
        item.stash[RECORD] = Record()
        item.stash[_BEHAVIOUR] = behaviour
        item.stash[_CASE] = case = _new_case(item, behaviour)
        table = self._suites.of(item.path)
        case.section = table.sections[behaviour.row] if table is not None else ""
        incident = self._run.begin(case)
        if incident is not None:
            why = self._run.why_end(f"before {case.row}", [incident])
            if why:
                self._run.results.cases.remove(case)
                del item.stash[_CASE]
                self._stop(item.session, why)
                pytest.skip(why)
        self._run.require(case, behaviour)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Watch all of a test, its fixtures too: opening and closing a GPU can block as well."""
        behaviour = behaviour_of(item)
        if self._run is None:
            return (yield)
        self._interrupts.check()
        if behaviour is None:
            with self._interrupts:
                return (yield)
        # Long enough for the watchdog of the test itself to come first, twice, and for the kernel to end a hang.
        seconds = 3 * self._options.test_s
        with TestWatchdog(seconds, lambda *seen: self._give_up(item.stash[_CASE], *seen), "the test and its fixtures"):
            result = yield
        case = item.stash.get(_CASE, None)  # none where a plugin has skipped the test before it began
        if case is not None:
            why = self._run.end(case, behaviour)
            if why and not item.session.shouldstop:
                self._stop(item.session, why)
        if nextitem is not None and behaviour_of(nextitem) is None:
            self._run.save()  # what follows would not: tests of behaviour do when they begin, as does the end
        self._interrupts.check()
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self) -> Generator[None, object, object]:
        """Let interrupts in: a process that a fixture starts may take long."""
        if self._run is None:
            return (yield)
        with self._interrupts:
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run a test under its watchdog, once more if the first try proved nothing."""
        if _CASE not in pyfuncitem.stash:
            return None
        case, record = pyfuncitem.stash[_CASE], pyfuncitem.stash[RECORD]
        try:
            self._try(pyfuncitem, case)
        except _TooSlow:
            raise
        except _WORTH_ANOTHER_TRY:
            record.clear()
            self._try(pyfuncitem, case)
        return True

    def _try(self, item: pytest.Function, case: Case) -> None:
        arguments = {name: item.funcargs[name] for name in inspect.signature(item.obj).parameters}
        case.attempts += 1
        with TestWatchdog(self._options.test_s, lambda *seen: self._give_up(case, *seen)) as watchdog:
            try:
                with self._interrupts:
                    item.obj(**arguments)
            finally:
                open_all("the end of the test")
                if watchdog.report is not None:
                    raise Broken(watchdog.report) if watchdog.stuck else _TooSlow(watchdog.report)

    def _give_up(self, case: Case, report: str, stuck: bool) -> None:
        """Leave a process whose test does not come back: keep what is known, and end.

        ``stuck``: the kernel does not let go of it, which is all that is held against that.
        """
        case.outcome = Outcome.BROKEN if stuck else Outcome.INCONCLUSIVE
        case.reason = f"{report}\nEven with all gates open it does not come back."
        run = self._require_run()
        # Whatever a hung driver does to those who look at it: this process ends.
        last = threading.Timer(_LAST_LOOK_S, os._exit, [ExitStatus.BROKEN if stuck else ExitStatus.INCOMPLETE])
        last.daemon = True
        last.start()
        run.aftermath.give_up(case)
        run.results.interrupted = f"{case.row} does not come back"
        self._finish(run)
        with self._uncaptured():
            self._print(run)
            sys.stdout.flush()
        os._exit(run.results.verdict.value)

    def _uncaptured(self) -> contextlib.AbstractContextManager[None]:
        """A block whose output is seen, although a test may be running."""
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        disabled: contextlib.AbstractContextManager[None] = (
            capture.global_and_fixture_disabled() if capture is not None else contextlib.nullcontext()
        )
        return disabled

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn the end of a phase into the case's outcome."""
        report = yield
        if _CASE not in item.stash:
            self._other_failures |= report.failed
            return report
        case, record = item.stash[_CASE], item.stash[RECORD]
        case.duration_ns += round(call.duration * 1e9)
        error = call.excinfo.value if call.excinfo is not None else None
        failed_before = case.reason != "" and not case.outcome.is_good
        if error is not None and self._interrupts.raised:
            error = KeyboardInterrupt(f"ended by {self._interrupts.how}, and then: {error}")
        if error is not None and not failed_before:
            case.outcome, case.reason = judge(error)
            case.missing = error.missing if isinstance(error, NotTestable | FeatureMissing) else ""
            case.asked = not isinstance(error, NotAsked)
            case.left_out = error.option if isinstance(error, NotAsked) else ""
            case.explanation = explain(item.stash[_BEHAVIOUR]) if case.outcome is Outcome.BROKEN else ""
        elif call.when == "call" and error is None:
            case.outcome = Outcome.HOLDS if record.evidence else Outcome.UNFINISHED
            case.reason = "" if record.evidence else "the test noted no evidence"
        case.done, case.evidence, case.gates = record.done, record.evidence, record.gates
        if case.outcome is Outcome.NOT_TESTABLE and error is not None:
            report.outcome = "skipped"
            report.longrepr = (str(item.path), item.location[1] or 0, f"not testable: {case.reason}")
        elif isinstance(error, Broken | Inconclusive):
            report.longrepr = f"{case.row} {case.outcome.value}: {case.reason} {case.explanation}".rstrip()
        if isinstance(error, DrmError) and error.errno == errno.ENODEV:
            self._stop(item.session, "the GPU is gone: the kernel answers every call with ENODEV")
        return report

    def _stop(self, session: pytest.Session, why: str) -> None:
        self._require_run().results.interrupted = why
        session.shouldstop = why

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note that the run ended early, and how."""
        open_what_can_be("the end of the run")
        if self._run is None or self._run.results.interrupted is not None:
            return
        how, cases = str(excinfo.value) or "Ctrl-C", self._run.results.cases
        self._run.results.interrupted = how
        if cases and cases[-1].outcome is Outcome.UNFINISHED:
            self._run.results.interrupted += f" during {cases[-1].row}"
            cases[-1].reason = cases[-1].reason or f"ended by {how}"
        self._run.save()  # taking down what the test had set up may take long

    # -- the end ----------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Judge the run; the exit code follows from it.

        Last: what the fixtures of an interrupted test do at their end, which pytest calls here, needs an open run, and
        an error of it is not what the run ended with.
        """
        try:
            return (yield)
        except Exception as error:
            if self._run is None or self._run.results.interrupted is None:
                raise
            self._run.results.interrupted += f"; then its end failed: {str(error) or type(error).__name__}"
            return None
        finally:
            self._judge(session)

    def _judge(self, session: pytest.Session) -> None:
        if self._run is None:
            if self._no_gpu is not None and self._options.require_proof:
                self._end_with(session, ExitStatus.UNUSABLE)
            return
        self._finish(self._run)
        verdict = self._run.results.verdict
        if self._options.require_proof:
            unfinished = self._run.file_failures and verdict is not Verdict.BROKEN
            self._end_with(session, ExitStatus.UNUSABLE if unfinished else verdict.value)
        elif verdict is Verdict.BROKEN or (verdict is Verdict.INCOMPLETE and not session.exitstatus):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif self._run.file_failures:
            session.exitstatus = ExitStatus.UNUSABLE
        elif (
            session.exitstatus in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
            and verdict is not Verdict.INCOMPLETE
            and not self._other_failures
        ):
            session.exitstatus = pytest.ExitCode.OK  # what failed was expected to, or all had been run before

    def _end_with(self, session: pytest.Session, status: ExitStatus) -> None:
        if self._other_failures and status in (ExitStatus.PROVEN, ExitStatus.SILENT):
            status = ExitStatus.BROKEN
        self._config.stash[STATUS] = status
        session.exitstatus = status

    def _finish(self, run: Run) -> None:
        run.judge(self._known)
        run.results.finished = datetime.now(UTC)
        run.save()
        run.close()

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Print the verdict, below everything that pytest prints."""
        if self._run is not None:
            self._print(self._run)
        if not self._options.require_proof:  # else this was all that the process is there for
            self._interrupts.restore()

    def _print(self, run: Run) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None:
            return
        width = shutil.get_terminal_size((120, 24)).columns
        if self._config.option.verbose >= 0:
            reporter.write_line("")
        text = verdict_text if self._options.table or self._config.option.verbose > 0 else summary_text
        reporter.write(text(run.results, width, reporter.hasmarkup))
        for failure in run.file_failures:
            reporter.write_line(failure)
        for file in run.files:
            if file.failure is None:
                reporter.write_line(f"Results are in {file.path}.")

    def _require_run(self) -> Run:
        if self._run is None:
            raise RuntimeError("a test of behaviour ran without a GPU")
        return self._run


def with_controls(items: list[pytest.Item], everything: list[pytest.Item]) -> list[pytest.Item]:
    """``items`` with every control before what it controls, taken from ``everything`` where it is missing."""
    by_row: dict[str, list[pytest.Item]] = {}
    for item in everything:
        behaviour = behaviour_of(item)
        if behaviour is not None:
            by_row.setdefault(behaviour.row, []).append(item)
    ordered: dict[pytest.Item, None] = {}

    def add(item: pytest.Item, above: tuple[str, ...]) -> None:
        behaviour = behaviour_of(item)
        for row in behaviour.controls if behaviour is not None else ():
            if row not in above:
                for control in by_row.get(row, []):
                    add(control, (*above, row))
        ordered.setdefault(item)

    for item in items:
        add(item, ())
    return list(ordered)


def is_named(nodeid: str, names: Collection[str]) -> bool:
    """Whether one of these is a test, by as much of its path as is given."""
    return any(nodeid == name or nodeid.endswith(f"/{name}") for name in names)


def _check_ids(names: Collection[str], items: list[pytest.Item]) -> None:
    """Raise `pytest.UsageError` for names that no test has."""
    for name in names:
        if not any(is_named(item.nodeid, [name]) for item in items):
            raise pytest.UsageError(f"no test is called '{name}': give file and name as the results have them")


def known_names(items: list[pytest.Item]) -> set[str]:
    """Every name that an expectation may use for one of these tests."""
    behaviours = ((item, behaviour_of(item)) for item in items)
    return {name for item, behaviour in behaviours if behaviour for name in names_of(_new_case(item, behaviour))}


def _is_everything(config: pytest.Config, items: list[pytest.Item], collected: list[pytest.Item]) -> bool:
    """Whether the run takes in all tests there are: no single files, nothing deselected."""
    return len(items) == len(collected) and not any("::" in name or name.endswith(".py") for name in config.args)


def judge(error: BaseException) -> tuple[Outcome, str]:
    """What it means that a phase of a test ended with ``error``: the outcome, and the reason in words."""
    if isinstance(error, NotTestable | FeatureMissing | pytest.skip.Exception):
        return Outcome.NOT_TESTABLE, str(error)
    if isinstance(error, Inconclusive | GateError):
        return Outcome.INCONCLUSIVE, str(error)
    if isinstance(error, KeyboardInterrupt):
        return Outcome.UNFINISHED, str(error) or "interrupted"
    if isinstance(error, DrmError) and error.errno != errno.ENODEV:
        return Outcome.BROKEN, f"the kernel refused what it must accept: {error}"
    if isinstance(error, AssertionError | PendingWork):
        return Outcome.BROKEN, str(error)
    return Outcome.UNFINISHED, f"{type(error).__name__}: {error}"


def explain(behaviour: Behaviour) -> str:
    """Why the kernel must behave so, and what it may be if it does not."""
    suspect = f"This is what a suspected fault of the series looks like: {behaviour.finding}"
    return " ".join(filter(None, (behaviour.rule, suspect if behaviour.finding else "")))


def _new_case(item: pytest.Item, behaviour: Behaviour) -> Case:
    callspec = getattr(item, "callspec", None)
    text = f"{behaviour.text} ({callspec.id})" if callspec is not None else behaviour.text
    series = FLAG in behaviour.needs or (callspec is not None and callspec.params.get("sync") == "explicit")
    return Case(item.nodeid, behaviour.row, text, behaviour.controls, series=series)
