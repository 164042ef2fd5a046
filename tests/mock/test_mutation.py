# SPDX-License-Identifier: MIT
"""Mutation testing: what operators make of a function, how a mutant is planted, what is written down, one that dies."""

from __future__ import annotations

import ast
import fnmatch
import json
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from matrix.plan import CaseResult, MatrixRun, RunResult, Selection
from matrix.slot import Slot
from mutate.files import file_groups
from mutate.machine import is_same_kernel
from mutate.mutants import KERNEL, Mutant, mutants_of, mutants_of_text
from mutate.operators import OPERATORS
from mutate.parts import NO_BEHAVIOUR, Part, read_parts
from mutate.reach import MACHINES, Reach
from mutate.reasons import EQUIVALENT, read_reasons
from mutate.report import FileGroup, MutationRun
from mutate.verdicts import Fate, Limits, MutantVerdict, Trial

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.mock.kernel.amdgpu import amdgpu_sync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import types as vm_types
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import dma_fence_get_stub
from amdgpu_hw.mock.planting import Bug, PlantedBug, load_bug, plant
from amdgpu_hw.mock.source_change import SourceChange

ROOT = Path(__file__).parents[2]
EXAMPLE = '''
import errno
from elsewhere import DMA_RESV_USAGE_KERNEL, DMA_RESV_USAGE_WRITE

def copied(target: int, source: int) -> int:
    """What it says is no code: 1 < 2."""
    return target

def example(vm: object, first: int, last: int) -> None:
    assert first <= last, "no mutant of what the model asserts"
    if not first or last > 4096:
        raise ValueError(f"not {first + 1}")
    vm.lock()
    try:
        vm.moved = True
        for fence in vm.resv.iter(DMA_RESV_USAGE_KERNEL):
            vm.add(fence)
        copied(first, last)
    except ValueError:
        vm.evicted = None
        raise
    finally:
        vm.unlock()
'''


def copied(target: int, source: int) -> int:
    """What `EXAMPLE` calls."""
    return target + source


def mutants(operator: str, text: str = EXAMPLE) -> list[str]:
    """What an operator makes of the example: what becomes what."""
    module = types.ModuleType("example")
    vars(module).update(copied=copied, DMA_RESV_USAGE_KERNEL=0, DMA_RESV_USAGE_WRITE=1)
    return [mutant.change for mutant in mutants_of_text(text, "example.py", module) if mutant.operator == operator]


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("condition negated", ["not first or last > 4096 -> (not (not first or last > 4096))"]),
        ("comparison changed", ["last > 4096 -> last >= 4096"]),
        ("operand dropped", ["not first or last > 4096 -> (last > 4096)", "not first or last > 4096 -> (not first)"]),
        ("and for or", ["not first or last > 4096 -> ((not first) and (last > 4096))"]),
        ("call dropped", ["vm.lock() -> pass", "vm.add(fence) -> pass", "copied(first, last) -> pass"]),
        ("release dropped", ["vm.unlock() -> pass"]),
        ("undo dropped", ["vm.evicted = None -> pass"]),
        ("state not set", ["vm.moved = True -> pass"]),
        ("check dropped", ['raise ValueError(f"not {first + 1}") -> pass', "raise -> pass"]),
        ("arguments swapped", ["copied(first, last) -> copied(last, first)"]),
        ("number changed", ["4096 -> 4097", "4096 -> 4095", "True -> False"]),
        ("wrong constant", ["DMA_RESV_USAGE_KERNEL -> DMA_RESV_USAGE_WRITE"]),
        (
            "wrong object",
            ["first -> last", "last -> first", "first -> last", "last -> first", "vm.evicted -> vm.moved"],
        ),
        (
            "order reversed",
            ["vm.resv.iter(DMA_RESV_USAGE_KERNEL) -> reversed(list(vm.resv.iter(DMA_RESV_USAGE_KERNEL)))"],
        ),
        ("only the first", ["vm.resv.iter(DMA_RESV_USAGE_KERNEL) -> list(vm.resv.iter(DMA_RESV_USAGE_KERNEL))[:1]"]),
        ("all but the first", ["vm.resv.iter(DMA_RESV_USAGE_KERNEL) -> list(vm.resv.iter(DMA_RESV_USAGE_KERNEL))[1:]"]),
    ],
)
def test_operators_make_the_mistakes_of_kernel_developers(operator: str, expected: list[str]) -> None:
    """One or two of each in a function that has a check, a lock, a loop and an error path."""
    assert mutants(operator) == expected


def test_masks_are_set_kept_and_left_out() -> None:
    """For bits and sums alike."""
    text = "def example(flags: int, mask: int) -> int:\n    return flags & ~mask\n"
    assert mutants("mask changed", text) == [
        "flags & ~mask -> (flags | ~mask)",
        "flags & ~mask -> (flags)",
        "~mask -> (mask)",
    ]


def test_functions_that_return_nothing_end_early() -> None:
    """Before each statement but the first, where that makes a difference."""
    text = "def example(vm: object) -> None:\n    vm.one()\n    two = vm.two\n    vm.three(two)\n"
    assert mutants("early return", text) == ["vm.three(two) -> return vm.three(two)"]


def test_a_dropped_sleep_leaves_a_generator() -> None:
    """Who sleeps in it would fail otherwise, which is not the mistake."""
    text = "def example(vm: object) -> None:\n    yield from vm.wait()\n"
    assert mutants("call dropped", text) == ["yield from vm.wait() -> yield from ()"]


def test_every_operator_finds_something_in_the_mock_kernel() -> None:
    """One that finds nothing proves nothing."""
    found = {mutant.operator for group in file_groups(()) for file in group.files for mutant in mutants_of(file)}
    assert found == set(OPERATORS)


def test_keys_tell_mutants_apart_and_do_not_depend_on_lines() -> None:
    """A reason holds until the function changes, wherever in the file it is."""
    here = mutants_of("amdgpu/amdgpu_sync.py")
    assert len({mutant.key for mutant in here}) == len(here)
    module = types.ModuleType("example")
    there = mutants_of_text(f"\n\n{EXAMPLE}", "example.py", module)
    assert [mutant.key for mutant in there] == [m.key for m in mutants_of_text(EXAMPLE, "example.py", module)]


@pytest.mark.parametrize(
    ("line", "changed", "is_same"),
    [
        ("if variant.has_explicit_sync and bo.moved:", "if bo.moved:", True),
        ("if variant.has_explicit_sync and bo.moved:", "if variant.has_explicit_sync:", False),
        ("if not variant.has_explicit_sync or bo.moved:", "if bo.moved:", True),
        (
            "if not self.variant.has_explicit_sync and size > 4:",
            "if not self.variant.has_explicit_sync and size > 5:",
            True,
        ),
        ("if variant.out_fence is OutFence.IGNORED and point:", "if variant.out_fence is OutFence.IGNORED:", True),
        (
            "if variant.out_fence is OutFence.BASE and point:",
            "if variant.out_fence is OutFence.IGNORED and point:",
            False,
        ),
        ("if ctx.adev.debug_vm and point:", "if ctx.adev.debug_vm:", True),
        ("if variant.nothing_of_this_name and point:", "if point:", False),
    ],
)
def test_what_only_another_kernel_would_do_is_no_mutant(line: str, changed: str, is_same: bool) -> None:
    """What is known of the machines' kernel decides: it has explicit sync, and update fences as upstream."""
    before, after = (
        f"class Ioctl:\n    def example(self):\n        {each}\n            refuse()\n" for each in (line, changed)
    )
    assert is_same_kernel(before, after, "Ioctl.example") is is_same


def test_what_cannot_run_there_is_no_mutant_either() -> None:
    """The branch of a condition that is never true, whatever is changed in it."""
    one, other = (f"def example(vm):\n    x = vm.{name} if debug.adev.debug_vm else vm.c\n" for name in "ab")
    assert is_same_kernel(one, other, "example")
    one, other = (f"def example(vm):\n    if not adev.debug_vm:\n        vm.{name}()\n" for name in "ab")
    assert not is_same_kernel(one, other, "example")


def test_parts_without_behaviour_have_no_mutants() -> None:
    """Statements and expressions, with all that is in them, but not the code around them."""
    text = "def example(vm: object) -> None:\n    vm.score += 1 if vm.a else 2\n    vm.one()\n    vm.two()\n"
    module = types.ModuleType("example")
    part = Part("exam*", "*.score += *")
    everything = {mutant.key for mutant in mutants_of_text(text, "example.py", module)}
    rest = {mutant.key for mutant in mutants_of_text(text, "example.py", module, [part])}
    assert rest < everything
    assert {key for key in everything if "score" in key or "vm.a" in key or "2" in key}.isdisjoint(rest)
    assert any("vm.one()" in key for key in rest)
    elsewhere = Part("other*", part.text)
    assert {mutant.key for mutant in mutants_of_text(text, "example.py", module, [elsewhere])} == everything


def test_the_parts_that_are_written_down_are_there() -> None:
    """One that covers nothing any more is about a line that has changed."""
    trees = {
        file: ast.parse((KERNEL / file).read_text(encoding="utf-8"))
        for group in file_groups(())
        for file in group.files
    }
    unused = [
        part.text
        for part in read_parts()
        if not any(part.covers(node) for file in fnmatch.filter(trees, part.files) for node in ast.walk(trees[file]))
    ]
    assert not unused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[part]]\nfiles = "*"\ntext = ["a"]\n', "a reason that says why"),
        ('[[part]]\nfiles = "*"\ntext = []\nreason = "Nobody can see it, whatever it is."\n', "has files, texts"),
        ('[[parts]]\nfiles = "*"\n', r"something else than \[\[part\]\]"),
        ("[[part]\n", "cannot be read"),
    ],
)
def test_parts_without_behaviour_are_read_strictly(tmp_path: Path, text: str, words: str) -> None:
    """A part without a reason, or a table that is misspelt, would leave mutants out unseen."""
    path = tmp_path / NO_BEHAVIOUR.name
    path.write_text(text)
    with pytest.raises(HarnessError, match=words):
        read_parts(path)


# -- planting -----------------------------------------------------------------------------------------------------


def of(file: str, function: str, change: str) -> Mutant:
    """The mutant that makes this change."""
    found = [m for m in mutants_of(file) if m.function == function and m.change == change and m.is_valid()]
    assert len(found) == 1, found
    return found[0]


def test_a_mutant_is_planted_as_a_bug_is_and_lifted_again(tmp_path: Path, lifted: list[Callable[[], None]]) -> None:
    """The function stays the object that tables and other modules have; a property as well."""
    mutant = of("amdgpu/amdgpu_sync.py", "AmdgpuSync.fence", "fence is None -> (not (fence is None))")
    path = tmp_path / "mutant.py"
    path.write_text(mutant.as_bug())
    function = amdgpu_sync.AmdgpuSync.fence
    lifted.append(plant([load_bug(str(path))]))
    sync = amdgpu_sync.AmdgpuSync()
    sync.fence(dma_fence_get_stub())
    assert not sync.entries
    lifted.pop()()
    sync.fence(dma_fence_get_stub())
    assert (sync.entries, amdgpu_sync.AmdgpuSync.fence) == (1, function)


def test_a_change_of_another_text_is_refused() -> None:
    """The file is not the one that the mutant was found in; nothing is planted then."""
    change = SourceChange("amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync", 0, "nothing of this", "pass")
    with pytest.raises(HarnessError, match="has changed"):
        plant([PlantedBug("made_here", "Made by a test.", Bug(caught_by=()), (), (change,))])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("_starts.add", "1 +", "cannot stand"),
        ('"""`vm->va`', '"""Other words. `vm->va`', "changes no function"),
    ],
)
def test_what_gives_no_other_function_is_no_mutant(old: str, new: str, words: str) -> None:
    """Neither what cannot be read, nor a docstring's words."""
    assert vm_types.__file__ is not None
    start = Path(vm_types.__file__).read_text(encoding="utf-8").index(old)
    change = SourceChange(vm_types.__name__, start, old, new)
    with pytest.raises(HarnessError, match=words):
        change.plant()


# -- reasons, scores ----------------------------------------------------------------------------------------------


def test_the_reasons_that_are_written_down_are_of_mutants_that_there_are() -> None:
    """Each says why; none is of a line that has changed since."""
    keys = {mutant.key for group in file_groups(()) for file in group.files for mutant in mutants_of(file)}
    for reason in read_reasons(EQUIVALENT, keys).values():
        assert reason.endswith(".")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[equivalent]]\nmutant = "gone"\nreason = "It was there once, and nobody saw it."\n', "no mutant gone"),
        ('[[equivalent]]\nmutant = "here"\nreason = "so"\n', "a reason that says why"),
        ('[[equivalent]]\nmutant = "here"\n', "a reason that says why"),
        ('[[equivalent]]\nmutant = "here"\nreason = "Nobody can see it, whoever looks."\n' * 2, "there twice"),
        ("other = 1\n", "something else"),
        ("[[", "cannot be read"),
    ],
)
def test_stale_and_empty_reasons_are_errors(tmp_path: Path, text: str, words: str) -> None:
    """A list of excuses that nobody keeps true would hide survivors."""
    path = tmp_path / "equivalent.toml"
    path.write_text(text)
    with pytest.raises(HarnessError, match=words):
        read_reasons(path, {"here"})


def verdict(fate: Fate) -> MutantVerdict:
    """A mutant with this fate."""
    mutant = Mutant("a.py", "example", "call dropped", 1, (1, 1), 0, "x()", "pass")
    return MutantVerdict(mutant, MACHINES[0], fate, "", "", 1, 1.0)


@pytest.mark.parametrize(
    ("fates", "score", "good"),
    [
        ([Fate.KILLED, Fate.EQUIVALENT], 100, True),
        ([Fate.KILLED, Fate.SURVIVED], 50, False),
        ([Fate.CRASHED, Fate.HUNG], 100, True),
        ([Fate.KILLED, Fate.TOLD_APART], 100, False),
        ([Fate.EQUIVALENT], None, True),
    ],
)
def test_a_score_is_of_what_can_be_noticed(fates: list[Fate], score: float | None, good: bool) -> None:
    """And a reason that a row contradicts is wrong whatever the score."""
    verdicts = tuple(map(verdict, fates))
    run = MutationRun((FileGroup("a", ("a.py",), 95),), verdicts, {}, (), 1.0, len(verdicts), None)
    assert (run.score(run.verdicts), run.is_good) == (score, good)


def test_what_is_broken_without_a_mutant_is_no_good_run() -> None:
    """Then the rows say nothing about mutants."""
    assert not MutationRun((), (), {}, ("B05: it waited",), 1.0, 0, None).is_good


HOLDING = "tests/hw/test.py::test_made_here"
"""A test that holds without a mutant."""


@pytest.mark.parametrize(
    ("cases", "fate"),
    [
        ([CaseResult(HOLDING, "B05", "holds", "")], Fate.SURVIVED),
        ([CaseResult(HOLDING, "B05", "not testable", "no such ring", "rings")], Fate.UNTESTABLE),
        ([CaseResult(f"{HOLDING}[2]", "B05", "not testable", "no such ring", "rings")], Fate.SURVIVED),
        ([CaseResult(HOLDING, "B05", "not testable", "EINVAL", "explicit_sync")], Fate.SILENCED),
        (
            [
                CaseResult(HOLDING, "B05", "not testable", "no such ring", "rings"),
                CaseResult(f"{HOLDING}[2]", "O50", "broken", "a version without its fence", ""),
            ],
            Fate.KILLED,
        ),
    ],
)
def test_a_row_that_cannot_be_tested_any_more_is_noticed_where_the_run_does_not_end_well(
    tmp_path: Path, cases: list[CaseResult], fate: Fate
) -> None:
    """Another capability than the flag may be missing on a kernel whose verdict ends with 0."""
    mutant = Mutant("a.py", "example", "call dropped", 1, (1, 1), 0, "x()", "pass")
    found = trial(tmp_path, mutant, "B05").judge(mutant, AlwaysSays(cases))
    assert found.fate is fate
    assert found.fate.is_dead == (fate in (Fate.KILLED, Fate.SILENCED))


class AlwaysSays(Slot):
    """A machine on which everything comes to the same."""

    def __init__(self, cases: list[CaseResult]) -> None:
        super().__init__()
        self._answer_of_all = tuple(cases)

    def run(self, run: MatrixRun, rows: Selection) -> RunResult:
        """No machine is started."""
        return RunResult(run, self._answer_of_all, 0, 1.0)


# -- runs ---------------------------------------------------------------------------------------------------------


def trial(directory: Path, mutant: Mutant, *rows: str) -> Trial:
    """As if these rows reached what a mutant changes."""
    reach = Reach(
        MACHINES[0],
        {row: {mutant.file: frozenset([mutant.line])} for row in rows},
        dict.fromkeys(rows, 1.0),
        frozenset([HOLDING]),
    )
    return Trial(reach, Limits(120, 120), directory, {})


def test_a_real_mutant_dies_and_a_harmless_one_does_not(tmp_path: Path) -> None:
    """No update with an out syncobj goes through: T11 makes some, and T15 only waits for fences."""
    checks = of(
        "amdgpu/amdgpu_gem/va.py",
        "amdgpu_gem_update_timeline_node",
        "syncobj is None -> (not (syncobj is None))",
    )
    with Slot() as slot:
        killed = trial(tmp_path, checks, "T11", "T15").judge(checks, slot)
        spared = trial(tmp_path, checks, "T15").judge(checks, slot)
        assert not trial(tmp_path, checks, "T15").control(slot)
    assert (killed.fate, killed.row, killed.rows_that_reach_it) == (Fate.KILLED, "T11", 2)
    assert killed.reason
    assert spared.fate is Fate.SURVIVED
    assert not list(tmp_path.iterdir()), "its file stays behind"


def test_the_list_names_mutants_by_their_keys() -> None:
    """What is written down as equivalent is copied from there."""
    command = [
        sys.executable,
        str(ROOT / "scripts" / "mutation.py"),
        "--list",
        "--file",
        "amdgpu_sync",
        "--only",
        "clone",
    ]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert listed
    assert all(line.startswith("amdgpu/amdgpu_sync.py:AmdgpuSync.clone:") for line in listed)


def test_an_unknown_file_is_said_in_a_sentence() -> None:
    """With exit status 2, and without a traceback."""
    command = [sys.executable, str(ROOT / "scripts" / "mutation.py"), "--file", "nothing.py"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "nothing.py" in done.stderr


def test_results_say_what_became_of_each_mutant() -> None:
    """As JSON, with the scores of groups and files."""
    run = MutationRun((FileGroup("a", ("a.py",), 95),), (verdict(Fate.KILLED),), {"a.py": 3}, (), 1.0, 1, (1, 7))
    content = json.loads(json.dumps(run.to_json()))
    assert content["files"]["a.py"]["unreached"] == 3
    assert content["mutants"][0]["fate"] == "killed"
    assert content["sample"] == {"mutants": 1, "seed": 7}
