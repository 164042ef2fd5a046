# SPDX-License-Identifier: MIT
"""Options that are declared once: argparse and pytest are told of them, they are read, and spelled again."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import pytest

from amdgpu_hw.options.declared import Options, comma_separated, option
from amdgpu_hw.options.machine import MachineChoice, MachineKind
from amdgpu_hw.options.suite import PREFIX, SessionOptions, SuiteOptions


@dataclass(frozen=True)
class Journey(Options):
    """One field of each kind."""

    fast: bool = option("hurry", default=False, environment="TEST_JOURNEY_FAST")
    laps: int | None = option("how many", metavar="N", read=int)
    stops: tuple[str, ...] = option("where", name="stop", default=(), read=comma_separated())
    means: str | None = option("by what", bare="bicycle", known=lambda: ["foot", "bicycle"])


def parse(options: type[Options], *arguments: str, prefix: str = "--") -> Options:
    """What a command line says."""
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    options.declare(parser.add_argument, prefix)
    return options.of(parser.parse_args(arguments), prefix)


@pytest.mark.parametrize(
    ("arguments", "journey"),
    [
        ((), Journey()),
        (("--fast", "--laps=3"), Journey(fast=True, laps=3)),
        (("--stop", "a,b", "--stop=c"), Journey(stops=("a", "b", "c"))),
        (("--stop=a", "--stop=", "--stop=b"), Journey(stops=("b",))),
        (("--means",), Journey(means="bicycle")),
        (("--means=foot", "--means="), Journey()),
    ],
)
def test_what_is_given_is_read_and_handed_on(arguments: tuple[str, ...], journey: Journey) -> None:
    """The spelled arguments give the same again, under any prefix; an empty value takes back what came before."""
    assert parse(Journey, *arguments) == journey
    for prefix in ("--", "--a-b-"):
        assert parse(Journey, *journey.argv(prefix), prefix=prefix) == journey


def test_what_was_not_given_is_not_spelled() -> None:
    """Where it is handed on to, it is as it is by itself."""
    assert Journey().argv() == []
    assert Journey(laps=0, stops=("a", "b")).argv("--on-") == ["--on-laps=0", "--on-stop=a", "--on-stop=b"]


def test_where_nothing_is_taken_back_an_empty_value_is_refused() -> None:
    """It is what a script's unset variable leaves."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    Journey.declare(parser.add_argument, filled=True)
    with pytest.raises(argparse.ArgumentError, match="must not be empty, but '' was given"):
        parser.parse_args(["--stop="])


@pytest.mark.parametrize(("value", "fast"), [("1", True), ("0", False), ("", False)])
def test_a_variable_of_the_environment_gives_a_flag(monkeypatch: pytest.MonkeyPatch, value: str, fast: bool) -> None:
    """Unless it is empty or 0."""
    monkeypatch.setenv("TEST_JOURNEY_FAST", value)
    assert parse(Journey) == Journey(fast=fast)


def test_known_values_are_only_looked_up_for_those_who_have_the_time() -> None:
    """The pytest plugin has not."""
    helps = []
    for details in (True, False):
        parser = argparse.ArgumentParser()
        Journey.declare(parser.add_argument, details=details)
        helps.append(parser.format_help())
    assert "by what: foot, bicycle" in helps[0]
    assert "foot" not in helps[1]


def test_a_command_may_leave_options_out() -> None:
    """They then have their defaults, and cannot be given."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    Journey.declare(parser.add_argument, only=("fast", "laps"), without=("laps",))
    assert Journey.of(parser.parse_args(["--fast"])) == Journey(fast=True)
    assert parser.parse_known_args(["--laps=1"])[1] == ["--laps=1"]


@pytest.mark.parametrize(
    "choice",
    [
        MachineChoice(),
        MachineChoice(gpu="0000:03:00.0"),
        MachineChoice(mock="mi300x", kernel="base", gpu_time=2.5),
        MachineChoice(bugs=("m05_flag_ignored", "m06"), parameters=(("debug_mask", 68), ("user_queue", -1))),
        MachineChoice(without=("vgem", "sw_sync")),
    ],
)
@pytest.mark.parametrize("prefix", ["--", PREFIX])
def test_a_machine_is_handed_on_as_it_was_asked_for(choice: MachineChoice, prefix: str) -> None:
    """To another command and to pytest."""
    assert parse(MachineChoice, *choice.argv(prefix), prefix=prefix) == choice


@pytest.mark.parametrize(
    "choice",
    [
        MachineChoice(mock="navi31"),
        MachineChoice(kernel="base"),
        MachineChoice(bugs=("x",)),
        MachineChoice(parameters=(("debug_mask", 1),)),
        MachineChoice(without=("vgem",)),
    ],
)
def test_what_only_mock_machines_have_asks_for_one(choice: MachineChoice) -> None:
    """As does --mock itself; a GPU alone is one of this machine, how long its work takes is no choice of a machine."""
    assert choice.kind is MachineKind.MOCK
    assert MachineChoice(gpu="navi31", gpu_time=32).kind is MachineKind.REAL


def test_inside_the_machine_none_is_asked_for() -> None:
    """Only its GPU is; arguments that take everything back win over those before them."""
    choice = MachineChoice(gpu="03:00.0", mock="navi31", kernel="base", bugs=("a",), without=("vgem",))
    assert choice.on_it() == MachineChoice(gpu="03:00.0")
    again = parse(MachineChoice, *choice.argv(PREFIX), *choice.nothing(PREFIX), prefix=PREFIX)
    assert again == choice.on_it()


def test_a_mock_machine_has_a_name_for_files() -> None:
    """GPU, kernel, bugs, parameters; the kernel is the one that the bug was written for."""
    choice = MachineChoice(bugs=("m07_minor_without_flag",), parameters=(("debug_mask", 4),))
    assert choice.subject() == "navi31-base-m07_minor_without_flag-debug_mask=4"


def test_the_options_of_the_suite_are_handed_on_to_pytest() -> None:
    """Times in milliseconds, files each by itself, the package's own expectations by their name."""
    session = SessionOptions(gate="vgem", results=(Path("a"), Path("b,c")), watch=2_500_000, timeout=1.5, stress=True)
    assert f"{PREFIX}watch=2.5" in session.argv(PREFIX)
    assert parse(SessionOptions, *session.argv(PREFIX), prefix=PREFIX) == session
    given = parse(SuiteOptions, "--expectations")
    assert isinstance(given, SuiteOptions)
    assert given.argv(PREFIX) == [f"{PREFIX}expectations=amdgpu_hw.expectations"]
    directory = given.expectations_in()
    assert directory is not None
    assert (directory / "series-v1-any-fails.txt").is_file()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--amdgpu-gate=portcullis",), "there is no kind of gate called 'portcullis'; there are: vgem, sw_sync, gpu-"),
        (("--amdgpu-watch=soon",), "must be a time in milliseconds from 1e-06 to 600000, not 'soon'"),
    ],
)
def test_a_wrong_value_is_one_sentence(arguments: tuple[str, ...], says: str) -> None:
    """With what there is instead."""
    with pytest.raises(argparse.ArgumentError, match=says):
        parse(SessionOptions, *arguments, prefix=PREFIX)


def test_no_machine_can_do_without_its_gpus() -> None:
    """--without names what is optional."""
    with pytest.raises(argparse.ArgumentError, match="no machine can do without 'gpu'; choose from sw_sync, vgem"):
        parse(MachineChoice, "--without=gpu")
