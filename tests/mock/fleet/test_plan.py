# SPDX-License-Identifier: MIT
"""Plans: what they mean, and one sentence for what they cannot mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from amdgpu_hw.decode import JSON, decode
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.orders import Order, orders_of
from amdgpu_hw.fleet.place_process import Assignment
from amdgpu_hw.fleet.plan import FleetPlan, PlannedKernel, PlannedPlace, plan_of_hosts, read_plan

PLAN = """
rows = "B0 or T0"
repetitions = 2
wheel = "w.whl"
coordinator = "127.0.0.1:20408"

[[place]]
name = "one"
gpu = "navi31"
ssh = "me@one:2222"
key = "key"
kernels = ["stock"]

[[place]]
name = "rack"
gpu = "mi300x"
tags = { gpu = "mi300x" }
count = 2

[[kernel]]
name = "stock"
release = "7.3.4"
boot = "reboot"

[[kernel]]
name = "modelled"
mock = "series-v1"

[limits]
silence = 60
"""

PLACE = '[[place]]\nname = "a"\ngpu = "g"\nssh = "h"\n'


def written(directory: Path, text: str) -> Path:
    """A plan's file."""
    path = directory / "plan.toml"
    path.write_text(text)
    return path


def test_a_plan_says_what_is_run_where(tmp_path: Path) -> None:
    """Places with their kernels, as many orders as repetitions, paths beside the plan."""
    plan = read_plan(written(tmp_path, PLAN))
    assert (plan.wheel, plan.place[0].key) == (str(tmp_path / "w.whl"), str(tmp_path / "key"))
    assert (plan.limits.silence, plan.limits.boot) == (60, 600)
    orders = orders_of(plan)
    assert orders[Order("navi31", "stock", 1)] == ("one",)
    assert [(order.gpu, order.kernel, order.repetition) for order in orders] == [
        (gpu, kernel, number)
        for number in (1, 2)
        for gpu, kernel in (("navi31", "stock"), ("mi300x", "stock"), ("mi300x", "modelled"))
    ]


def test_places_with_the_same_gpu_share_its_orders() -> None:
    """Either can take each."""
    places = tuple(PlannedPlace(name, "navi31", ssh=name) for name in ("a", "b"))
    assert orders_of(FleetPlan(places)) == {Order("navi31", "running", 1): ("a", "b")}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[place", "is not TOML"),
        ("", "the key 'place' is missing"),
        ("place = 3", "the key 'place' must be an array"),
        (PLACE + "colour = 1", "there is no key 'place[0].colour'"),
        ('[[place]]\nname = "a"\ngpu = "g"\n', "place[0]: give either ssh = "),
        (PLACE.replace('"h"', '"h:port"'), "place[0]: ssh must be [USER@]HOST[:PORT], not 'h:port'"),
        (PLACE.replace('"h"', '"-oProxyCommand=x"'), "ssh must be"),
        (PLACE.replace('"a"', '"../a"'), "'../a' is no name for a place"),
        (PLACE * 2, "two places are called 'a'"),
        (PLACE + 'kernels = ["x"]', "place 'a' names a kernel 'x'; there are: running"),
        (PLACE + 'power_off = "x"', "power_off and power_on go together"),
        (PLACE + "count = 2", "count must be 1 for a place by ssh"),
        ("repetitions = 0\n" + PLACE, "repetitions must be a number from 1 to 1000, not 0"),
        ('repetitions = "2"\n' + PLACE, "the key 'repetitions' must be a whole number"),
        (PLACE + '[[kernel]]\nname = "k"\nboot = "reboot"', "kernel[0]: release is missing"),
        (PLACE + '[[kernel]]\nname = "k"\nmock = "base"\nguest = "6.1"', "kernel[0]: a kernel is booted"),
        (PLACE + '[[kernel]]\nname = "k"\nguest = "6.1"\nfiles = "x"', "kernel[0]: nothing uses files: give boot"),
        (PLACE + '[[kernel]]\nname = "k"\nguest = "$FILES"', "kernel[0]: $FILES in guest and validate is where"),
        (PLACE + "[limits]\npoll = 0", "limits: poll must be a number of seconds above 0"),
        (PLACE.replace('ssh = "h"', 'tags = { gpu = "x" }'), "coordinator = 'HOST:PORT' is missing"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    """It names the file, the key, and what to do."""
    path = written(tmp_path, text)
    with pytest.raises(HarnessError) as caught:
        read_plan(path)
    assert str(caught.value).startswith(f"the plan {path} ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_to_copy_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """Before any box is asked."""
    text = '[[kernel]]\nname = "k"\nguest = "6.1"\nfiles = "amdgpu.ko"\nvalidate = ["--module=$FILES"]\n'
    plan = read_plan(written(tmp_path, PLACE + text))
    with pytest.raises(HarnessError, match=f"the file {tmp_path}/amdgpu.ko of kernel 'k' is not there"):
        plan.require_files()
    (tmp_path / "amdgpu.ko").touch()
    plan.require_files()


def test_a_plan_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """With why."""
    with pytest.raises(HarnessError, match="cannot be read: No such file"):
        read_plan(tmp_path / "none")


def test_hosts_alone_are_a_plan() -> None:
    """Each with the kernel it runs."""
    plan = plan_of_hosts(["me@one:2222", "two"], "B0", 1, ("--expectations",), "")
    assert [(place.name, place.ssh) for place in plan.place] == [("one-2222", "me@one:2222"), ("two", "two")]
    assert plan.kernel == (PlannedKernel("running"),)
    with pytest.raises(HarnessError, match="--ssh takes hosts as HOST1,USER@HOST2:PORT"):
        plan_of_hosts(["", "two"], "", 1, (), "")


def test_a_plan_survives_the_way_to_a_process(tmp_path: Path) -> None:
    """The process of a place reads what the fleet wrote."""
    import json

    plan = read_plan(written(tmp_path, PLAN))
    assignment = Assignment(plan, "one", "results", "w.whl", "abc", ("x.whl",))
    assert decode(Assignment, json.loads(assignment.line()), "", JSON) == assignment
