# SPDX-License-Identifier: MIT
"""The files of a measurement: what is written is read again, and whatever else is there is refused in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from amdgpu_hw import atomic_file
from amdgpu_hw.measure import results as results_module
from amdgpu_hw.measure.results import (
    Cell,
    Frames,
    LatencyResult,
    OverlapResult,
    Result,
    ResultError,
    Round,
    load,
    save,
)
from tests.mock.measure.made_up import CELL, conditions, latency, overlap

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
FLAGS = st.lists(TEXT, max_size=2).map(tuple)


def durations(count: int) -> st.SearchStrategy[Any]:
    """Arrays of that length with any int64 in them."""
    return arrays.arrays(np.int64, count)


@st.composite
def rounds(draw: st.DrawFn) -> Round:
    """Any round that the format must keep."""
    count = draw(st.integers(0, 4))
    clocks = st.tuples(*[st.none() | st.integers(0, 5000)] * 2)
    return Round(
        cell=draw(st.builds(Cell, TEXT, TEXT, TEXT, st.integers(0, 1 << 48))),
        index=draw(st.integers(0, 9)),
        arm=draw(st.sampled_from(("explicit", "implicit", "null_a", "null_b"))),
        order=draw(st.integers(0, 3)),
        ioctl_ns=draw(durations(count)),
        fence_ns=draw(durations(count)),
        victim_ns=draw(durations(count) | durations(0)),
        clocks_before=draw(clocks),
        clocks_after=draw(clocks),
        load_before=draw(st.none() | st.floats(0, 100)),
        load_after=draw(st.none() | st.floats(0, 100)),
        flags=draw(FLAGS),
    )


@st.composite
def stretches(draw: st.DrawFn) -> Frames:
    """Any stretch of frames that the format must keep."""
    frames, unmaps = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    return Frames(
        arm=draw(st.sampled_from(("explicit", "implicit"))),
        rate_hz=draw(st.floats(0, 1e6)),
        frame_gpu_ns=draw(st.integers(0, 1 << 40)),
        budget_ns=draw(st.integers(0, 1 << 40)),
        frame_start_ns=draw(durations(frames)),
        frame_end_ns=draw(durations(frames)),
        unmap_start_ns=draw(durations(unmaps)),
        unmap_effective_ns=draw(durations(unmaps)),
        flags=draw(FLAGS),
    )


def described(item: Any) -> dict[str, Any]:
    """A round or stretch with its arrays as lists, for comparing."""
    values = {field.name: getattr(item, field.name) for field in fields(item)}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(rounds(), min_size=1, max_size=4), notes=FLAGS, complete=st.booleans())
def test_a_latency_result_is_read_as_it_was_written(
    tmp_path: Path, items: list[Round], notes: tuple[str, ...], complete: bool
) -> None:
    """Conditions, cells, every round and every sample."""
    items.append(latency(blocks=1).rounds[0])  # a file without a single sample is refused, and that is another test
    before = LatencyResult(
        conditions=conditions(mock_kernel=notes[0] if notes else ""),
        cells=tuple({item.cell for item in items}),
        rounds=tuple(items),
        complete=complete,
        notes=notes,
    )
    save(before, tmp_path / "r.json")
    after = load(tmp_path / "r.json")
    assert isinstance(after, LatencyResult)
    assert after.conditions == before.conditions
    assert (after.cells, after.complete, after.notes) == (before.cells, complete, notes)
    assert [described(item) for item in after.rounds] == [described(item) for item in items]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(stretches(), min_size=1, max_size=4))
def test_an_overlap_result_is_read_as_it_was_written(tmp_path: Path, items: list[Frames]) -> None:
    """Every stretch with its frames and unmaps."""
    items.append(overlap(blocks=1).series[0])
    save(OverlapResult(conditions=conditions(), series=tuple(items), complete=True), tmp_path / "r.json")
    after = load(tmp_path / "r.json")
    assert isinstance(after, OverlapResult)
    assert [described(item) for item in after.series] == [described(item) for item in items]


def test_two_files_and_nothing_else_are_left_by_a_run_that_saves_after_each_round(tmp_path: Path) -> None:
    """Older samples go when the JSON file no longer names them; files of other results stay."""
    path = tmp_path / "run.json"
    stranger = tmp_path / "run2.0123456789ab.npz"
    stranger.write_bytes(b"")
    whole = latency(blocks=3)
    for count in range(1, len(whole.rounds)):
        save(replace(whole, rounds=whole.rounds[:count], complete=False), path)
        partial = load(path)
        assert isinstance(partial, LatencyResult)
        assert (len(partial.rounds), partial.complete) == (count, False)
    left = {entry.name for entry in tmp_path.iterdir()}
    assert left == {"run.json", json.loads(path.read_text())["samples"]["file"], stranger.name}


@pytest.mark.parametrize("failing_write", [1, 2])
def test_a_write_that_fails_leaves_the_last_good_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing_write: int
) -> None:
    """A full disk, at either of the two files: a sentence, and what was saved before can still be read."""
    path = tmp_path / "run.json"
    save(latency(blocks=1), path)
    writes = 0

    def fail_at_last(target: Path, content: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes == failing_write:
            raise OSError(28, "No space left on device")
        atomic_file.replace_file(target, content)

    monkeypatch.setattr(results_module, "replace_file", fail_at_last)
    with pytest.raises(ResultError, match=r"run\.json could not be written: No space left on device"):
        save(latency(blocks=2), path)
    kept = load(path)
    assert isinstance(kept, LatencyResult)
    assert len(kept.rounds) == 8


def test_the_file_keeps_every_condition_under_its_own_name(tmp_path: Path) -> None:
    """Other programs read it too."""
    save(latency(), tmp_path / "r.json")
    content = json.loads((tmp_path / "r.json").read_text())
    assert (content["schema"], content["version"], content["kind"]) == ("amdgpu-hw-measurement", 1, "latency")
    assert content["conditions"] == json.loads(json.dumps(asdict(latency().conditions)))


def edit(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """What makes a file bad by changing its JSON."""

    def bad(path: Path) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return bad


def samples_of(path: Path) -> Path:
    """The npz file that a result names."""
    return path.with_name(json.loads(path.read_text())["samples"]["file"])


def become_directory(path: Path) -> None:
    """Put a directory in the place of a file."""
    path.unlink()
    path.mkdir()


BAD_FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "absent": (lambda path: path.unlink(), "cannot be read: No such file"),
    "a directory": (become_directory, "cannot be read: Is a directory"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:500]), "was cut off"),
    "binary": (lambda path: path.write_bytes(bytes(range(256))), "is not JSON"),
    "nested too deep": (lambda path: path.write_bytes(b"[" * 100_000), "is not JSON"),
    "the npz itself": (lambda path: path.write_bytes(samples_of(path).read_bytes()), "name the .json file"),
    "other JSON": (lambda path: path.write_text("[1]"), "is not the result of a measurement"),
    "a verdict": (lambda path: path.write_text('{"format": "amdgpu_hw verdict"}'), "is not the result of"),
    "a newer version": (edit(lambda value: value.update(version=2)), "has version 2 .* reads version 1"),
    "no version": (edit(lambda value: value.pop("version")), "has version None"),
    "an unknown kind": (edit(lambda value: value.update(kind="power")), "of kind 'power'; known are latency, overlap"),
    "a kind that is no word": (edit(lambda value: value.update(kind=[])), "of kind \\[\\]"),
    "no rounds": (edit(lambda value: value.update(rounds=[])), "ended before its first round"),
    "no list of rounds": (edit(lambda value: value.update(rounds=3)), "rounds is not a list"),
    "no conditions": (edit(lambda value: value.pop("conditions")), "conditions is missing"),
    "a wrong condition": (edit(lambda value: value["conditions"].update(simulated=1)), "conditions.simulated is 1"),
    "a wrong version tuple": (edit(lambda value: value["conditions"].update(gc_version=[11])), "has 1 elements"),
    "a wrong arm": (edit(lambda value: value["rounds"][0].update(arm="both")), "arm is 'both', not one of explicit"),
    "a wrong count": (
        edit(lambda value: value["rounds"][0]["counts"].update(ioctl_ns=9999)),
        "counts.ioctl_ns is 9999",
    ),
    "a count of -1": (edit(lambda value: value["rounds"][0]["counts"].update(ioctl_ns=-1)), "counts.ioctl_ns is -1"),
    "a count too low": (edit(lambda value: value["rounds"][-1]["counts"].update(fence_ns=1)), "differ in length"),
    "a round lost": (edit(lambda value: value["rounds"].pop()), "belong to nothing in rounds"),
    "samples outside": (edit(lambda value: value["samples"].update(file="../x.npz")), "not the name of a file beside"),
    "no samples named": (edit(lambda value: value.pop("samples")), "samples is not an object"),
    "npz absent": (lambda path: samples_of(path).unlink(), "keep the two files together"),
    "npz cut off": (lambda path: samples_of(path).write_bytes(samples_of(path).read_bytes()[:100]), "not those it was"),
    "npz of another run": (lambda path: samples_of(path).write_bytes(b"PK other"), "not those it was written with"),
}


@pytest.mark.parametrize("bad", BAD_FILES)
def test_a_bad_file_is_one_clear_sentence(tmp_path: Path, bad: str) -> None:
    """It names the file and says what to do; nothing else is raised."""
    path = tmp_path / "run.json"
    save(latency(blocks=1), path)
    spoil, sentence = BAD_FILES[bad]
    spoil(path)
    with pytest.raises(ResultError, match=sentence) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_samples_of_another_shape_are_refused_although_their_hash_fits(tmp_path: Path) -> None:
    """Floating-point numbers, missing arrays: whoever wrote this was not us."""
    import hashlib

    path = tmp_path / "run.json"
    save(latency(blocks=1), path)
    for content, sentence in (({"ioctl_ns": np.zeros(160)}, "does not hold the arrays"), (None, "not a row of int64")):
        if content is None:
            content = {name: np.zeros(160) for name in Round.METRICS}
        with open(samples_of(path), "wb") as file:
            np.savez(file, **content)  # type: ignore[arg-type] # numpy's stub takes the names for its own options
        digest = hashlib.sha256(samples_of(path).read_bytes()).hexdigest()
        edit(lambda value, digest=digest: value["samples"].update(sha256=digest))(path)  # type: ignore[misc]
        with pytest.raises(ResultError, match=sentence):
            load(path)


@pytest.mark.parametrize("make", [latency, overlap])
def test_rounds_without_a_sample_are_no_result(tmp_path: Path, make: Callable[..., Result]) -> None:
    """A gate that never opened leaves rounds with flags and nothing in them."""
    result = make(blocks=1)
    none = np.empty(0, np.int64)
    if isinstance(result, LatencyResult):
        emptied = tuple(replace(each, ioctl_ns=none, fence_ns=none, victim_ns=none) for each in result.rounds)
        save(replace(result, rounds=emptied), tmp_path / "r.json")
    else:
        save(replace(result, series=()), tmp_path / "r.json")
    with pytest.raises(ResultError, match="holds no samples"):
        load(tmp_path / "r.json")


def test_a_round_is_usable_unless_something_was_wrong_with_it() -> None:
    """Being the repetition of an unstable one is nothing wrong."""
    good = latency(blocks=1).rounds[0]
    assert good.usable
    assert good.cell == CELL
    assert replace(good, flags=("repeated",)).usable
    assert not replace(good, flags=("repeated", "unstable: clock")).usable


def test_arrays_of_different_length_are_no_round() -> None:
    """Each operation has all its durations."""
    good = latency(blocks=1).rounds[0]
    with pytest.raises(ValueError, match="differ in length"):
        replace(good, ioctl_ns=good.ioctl_ns[1:])
