# SPDX-License-Identifier: MIT
"""Bisections: the first bad kernel, in few steps, and what is said where there is none."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.bisect_run import bisect_fleet
from amdgpu_hw.fleet.bisection import Bisection, Judgement
from amdgpu_hw.fleet.candidates import OfPlan, OfTree
from amdgpu_hw.fleet.conduct import Installable
from amdgpu_hw.fleet.events import Ending, Event, State
from amdgpu_hw.fleet.orders import Order
from amdgpu_hw.fleet.plan import FleetPlan, PlannedKernel, PlannedPlace
from tests.mock.fleet.fake_crew import FakeCrew
from tests.mock.fleet.test_matrix import H, N, X, case, put

G, B, S = Judgement.GOOD, Judgement.BAD, Judgement.SKIPPED
LIKE = PlannedKernel("like", release="x", boot="reboot")


def bisected(names: Sequence[str], first_bad: int, count: int, skipped: Sequence[str] = ()) -> tuple[list[str], int]:
    """The suspects, and how many rounds it took."""
    bisection, rounds = Bisection(names), 0
    while asked := bisection.next(count):
        assert len(asked) <= max(count, 2)
        rounds += 1
        for name in asked:
            bisection.answer(name, S if name in skipped else (B if names.index(name) >= first_bad else G))
    return bisection.suspects, rounds


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_first_bad_kernel_is_found_wherever_it_is(count: int) -> None:
    """In as many rounds as it takes with so many places, and the ends first."""
    names = [f"k{number:02}" for number in range(32)]
    most = {1: 6, 2: 5, 5: 3}[count]
    for first_bad in range(1, 32):
        suspects, rounds = bisected(names, first_bad, count)
        assert suspects == [names[first_bad]]
        assert rounds <= most + 1


def test_kernels_that_cannot_be_judged_leave_several_suspects() -> None:
    """As git bisect says it; they are asked once."""
    names = [f"k{number}" for number in range(8)]
    assert bisected(names, 4, 1, skipped=("k3", "k4")) == (["k3", "k4", "k5"], 5)


def test_ends_that_are_otherwise_than_said_are_one_sentence() -> None:
    """Before anything between them is tried."""
    for name, judgement, sentence in (
        ("a", B, "the row does not hold on the good kernel a: bad"),
        ("c", G, "the row is not broken on the bad kernel c: good"),
        ("c", S, "the row is not broken on the bad kernel c: skipped"),
    ):
        with pytest.raises(HarnessError, match=sentence):
            Bisection("abc").answer(name, judgement)
    with pytest.raises(HarnessError, match="their order is wrong"):
        Bisection(["a"])


def test_a_row_that_broke_twice_is_one_sentence() -> None:
    """There is no first bad kernel then."""
    bisection = Bisection("abcdef")
    for name, judgement in (("a", G), ("f", B), ("b", B)):
        bisection.answer(name, judgement)
    with pytest.raises(HarnessError, match="broken on b and holds on d, which is later"):
        bisection.answer("d", G)


def plan_of(*names: str) -> FleetPlan:
    """A plan with these kernels and two places with the same GPU."""
    places = tuple(PlannedPlace(name, "navi31", ssh=name) for name in "xy")
    return FleetPlan(places, tuple(PlannedKernel(name, mock="base") for name in names))


def test_the_kernels_of_a_plan_are_bisected_by_the_fleet(tmp_path: Path) -> None:
    """One row of them, on as many places as there are; what a place loses is not judged."""
    plan = plan_of("k0", "k1", "k2", "k3", "k4", "k5", "k6")
    asked: list[str] = []

    class Crew(FakeCrew):
        """Writes the results that a place would."""

        def __init__(self, log: Path) -> None:
            super().__init__(lambda member, order: self.answers(log.parent, order))

        def answers(self, directory: Path, order: Order) -> Sequence[Event]:
            asked.append(order.kernel)
            if order.kernel == "k3":
                return [Ending(State.LOST, "the wrong kernel was booted")]
            outcome = X if order.kernel >= "k3" else H
            put(directory, order, case("B36c", H), case("B36", outcome), case("B36", N, 1))
            return [Ending(State.DONE, "", 1 if outcome is X else 0)]

    said: list[str] = []
    made = Installable(Path("w"), "d")
    suspects = bisect_fleet(plan, "B36", OfPlan(plan, "k0", "k6"), tmp_path, made, said.append, Crew)
    assert suspects == ["k3", "k4"]
    assert "k3: skipped" in said
    assert len(asked) == len(set(asked)) <= 6


def test_a_plan_without_the_kernel_is_one_sentence() -> None:
    """It names those that it has."""
    with pytest.raises(HarnessError, match="the plan has no kernel 'x'; there are: a, b"):
        OfPlan(plan_of("a", "b"), "a", "x")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A git tree with five commits; the third cannot be built."""
    tree = tmp_path / "linux"
    tree.mkdir()
    git(tree, "init", "-q")
    for number in range(5):
        (tree / "version").write_text(f"7.{number}\n" if number != 2 else "")
        git(tree, "add", "version")
        git(tree, "commit", "-q", "-m", f"commit {number}")
        git(tree, "tag", f"v{number}")
    return tree


def git(tree: Path, *words: str) -> None:
    """Run git as somebody."""
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", tree, *identity, *words], check=True)


BUILD = 'test -s version && cp version "$FILES" && echo building && cat version'


def test_the_commits_of_a_tree_are_built_in_a_work_tree_of_their_own(tree: Path, tmp_path: Path) -> None:
    """The user's checkout is left alone; each commit says its release and leaves what the box needs."""
    directory = tmp_path / "results"
    directory.mkdir()
    (tree / "version").write_text("edited\n")
    candidates = OfTree(tree, "v0", "v4", BUILD, LIKE, directory)
    assert len(candidates.names) == 5
    name = candidates.names[1]
    made = candidates.kernel(name)
    assert made == replace(LIKE, name=name, release="7.1", files=str(directory / f"{name}-files"))
    assert (directory / f"{name}-files").read_text() == "7.1\n"
    assert "the build command ended with 1" in str(candidates.kernel(candidates.names[2]))
    assert (tree / "version").read_text() == "edited\n"
    candidates.close()
    assert not (directory / "tree").exists()


def test_commits_for_a_guest_need_no_release(tree: Path, tmp_path: Path) -> None:
    """What they leave is called as in the plan; one that leaves nothing cannot be judged."""
    directory = tmp_path / "results"
    directory.mkdir()
    like = PlannedKernel("like", guest="7.3.4", files="amdgpu.ko", validate=("--module=$FILES",))
    candidates = OfTree(tree, "v0", "v4", 'test -s version || exit 0; cp version "$FILES"', like, directory)
    first, _, empty, *_ = candidates.names
    assert candidates.kernel(first) == replace(like, name=first, files=str(directory / f"{first}-amdgpu.ko"))
    assert "the build command left nothing in $FILES: see " in str(candidates.kernel(empty))
    candidates.close()


def test_a_build_that_does_not_name_its_release_is_not_booted(tree: Path, tmp_path: Path) -> None:
    """Nobody would know whether the right kernel runs."""
    candidates = OfTree(tree, "v0", "v4", 'cp version "$FILES"', LIKE, tmp_path)
    made = candidates.kernel(candidates.names[0])
    assert "the build command did not print what uname -r will say: see " in str(made)
    candidates.close()


def test_commits_that_are_not_there_are_one_sentence(tree: Path, tmp_path: Path) -> None:
    """With what git says."""
    with pytest.raises(HarnessError, match=r"git rev-parse in .* failed: fatal"):
        OfTree(tree, "v9", "v4", BUILD, LIKE, tmp_path)
