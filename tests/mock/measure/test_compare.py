# SPDX-License-Identifier: MIT
"""Two results beside each other: what is refused, what is said, what is drawn."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from amdgpu_hw.cli import main, packages
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.measure.compare import SAME_ARMS, ArmPair, LatencyComparison, OverlapComparison, compare
from amdgpu_hw.measure.compare_plots import comparison_ecdf_figure, comparison_frame_figure, comparison_ratio_figure
from amdgpu_hw.measure.compare_report import comparison_report
from amdgpu_hw.measure.plot_style import A_STYLE, B_STYLE
from amdgpu_hw.measure.results import Cell, Result, save
from amdgpu_hw.measure.statistics import Claim
from amdgpu_hw.verdict.table import render
from tests.mock.measure.made_up import CELL, LONG_NS, SHORT_NS, latency, overlap

ORDINARY = Cell("gfx x1", "UNMAP", "ordinary", 65536)
IMPLICIT, EXPLICIT = SAME_ARMS

BASE = latency([CELL], LONG_NS, LONG_NS, mock_kernel="base", explicit_sync=False)
SERIES = latency([CELL], LONG_NS, SHORT_NS)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit status, output and complaints of ``amdgpu-hw compare``."""
    status = main(["compare", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def saved(directory: Path, **results: Result) -> list[Path]:
    """Result files by name."""
    for name, result in results.items():
        save(result, directory / f"{name}.json")
    return [directory / f"{name}.json" for name in results]


def text_of(a: Result, b: Result, **options: bool) -> str:
    """The table of a comparison, on a wide terminal."""
    return render(comparison_report(compare(a, b, **options)), 160, colour=False)  # type: ignore[arg-type]


def test_two_kernels_differ_in_the_arm_that_the_series_changes() -> None:
    """Explicit updates stop waiting; implicit ones are what they were."""
    comparison = compare(BASE, SERIES)
    assert isinstance(comparison, LatencyComparison)
    assert comparison.subject == "kernel"
    assert comparison.effects[CELL, EXPLICIT].verdict is Claim.FASTER
    assert comparison.effects[CELL, EXPLICIT].ratio == pytest.approx(SHORT_NS / LONG_NS, rel=0.01)
    assert comparison.effects[CELL, IMPLICIT].verdict is Claim.NO_DIFFERENCE
    assert comparison.finding() == (
        "series-fixed (B) beside base (A), GPU busy, implicit sync: PRT no difference. "
        "explicit sync: PRT 133x faster (simulated)"
    )


def test_the_table_tells_both_medians_and_what_the_flag_does_in_each() -> None:
    """A row per arm, one for the flag; both sides' conditions at the end."""
    text = text_of(BASE, SERIES)
    assert re.search(r"UNMAP +PRT +64 KiB +implicit +4\.00 ms +4\.00 ms +no difference", text)
    assert re.search(r"explicit +4\.00 ms +30\.0 µs +133x faster", text)
    assert re.search(r"flag +no flag +133x faster", text)
    assert "A: SIMULATED" in text
    assert "B: SIMULATED" in text


def test_one_arm_can_be_compared_with_the_other() -> None:
    """The flag across two results."""
    arms = ArmPair("implicit", "explicit")
    comparison = compare(SERIES, SERIES, [arms])
    assert isinstance(comparison, LatencyComparison)
    assert comparison.effects[CELL, arms].verdict is Claim.FASTER
    assert comparison.heading == "B beside A"


def test_frames_are_compared_by_rate_and_budget_whatever_their_measured_length() -> None:
    """The GPU time of a frame is measured anew in each run."""
    a, b = overlap(mock_kernel="base"), overlap(stalled_ns=0)
    b = replace(b, series=tuple(replace(each, frame_gpu_ns=each.frame_gpu_ns + 1000) for each in b.series))
    comparison = compare(a, b)
    assert isinstance(comparison, OverlapComparison)
    (pair,) = comparison.pairs
    assert pair.frame_effect(IMPLICIT).verdict is Claim.FASTER
    assert pair.unmap_effect(IMPLICIT).ratio == pytest.approx(40_000 / 12_040_000, rel=0.01)
    text = text_of(a, b)
    assert re.search(r"implicit +mean frame +9\.20 ms +8\.00 ms +13\.0 % less time", text)
    assert re.search(r"frames over budget +10 % +0 %", text)
    with comparison_frame_figure(comparison) as drawn:
        assert [len(axes.lines) for axes in drawn.axes] == [5, 5]  # two distributions, two medians, the budget


def test_other_conditions_that_differ_are_refused_each_by_name() -> None:
    """And compared if the user insists, with the same names in the table."""
    other = latency([CELL], mock_kernel="base", pstate="", libdrm="2.4.134")
    with pytest.raises(HarnessError) as caught:
        compare(other, SERIES)
    assert str(caught.value) == (
        "A and B differ in more than the kernel: libdrm: 2.4.134 against 2.4.114; power state: none against standard. "
        "Measure again under equal conditions, or add --allow-mismatch to compare them all the same."
    )
    flat = " ".join(text_of(other, SERIES, allow_mismatch=True).split())
    assert "although they differ in libdrm: 2.4.134 against 2.4.114; power state: none against standard." in flat


def test_cells_that_only_one_has_are_named_and_nothing_in_common_is_refused() -> None:
    """What was not compared is not passed over."""
    text = text_of(latency([CELL, ORDINARY], mock_kernel="base"), SERIES)
    assert "Not compared: only A has gfx x1: UNMAP of 64 KiB ordinary." in text
    with pytest.raises(HarnessError, match=r"nothing in common to compare: only A has .* ordinary; only B has .* PRT"):
        compare(latency([ORDINARY], mock_kernel="base"), SERIES)


def test_results_of_different_kinds_are_refused() -> None:
    """Latencies and frames have no common axis."""
    with pytest.raises(HarnessError, match="A is a measurement of latency and B one of overlap: only two of the same"):
        compare(latency(), overlap())


def test_the_pictures_show_a_and_b_in_each_panel_and_a_bar_per_cell_and_arm() -> None:
    """Named after the kernels; both sources at the foot."""
    comparison = compare(BASE, SERIES)
    assert isinstance(comparison, LatencyComparison)
    with comparison_ecdf_figure(comparison, "UNMAP", EXPLICIT) as drawn:
        (axes,) = drawn.axes
        assert {line.get_color() for line in axes.lines} == {A_STYLE.colour, B_STYLE.colour}
        assert {text.get_text() for text in axes.texts} == {"base\n4.00 ms", "series-fixed\n30.0 µs"}
        assert "A: SIMULATED" in drawn.get_supxlabel()
        assert "B: SIMULATED" in drawn.get_supxlabel()
    with comparison_ratio_figure(comparison) as drawn:
        labels = [label.get_text() for label in drawn.axes[0].get_yticklabels()]
        assert labels == ["gfx x1: UNMAP of 64 KiB PRT, implicit", "gfx x1: UNMAP of 64 KiB PRT, explicit"]


def test_the_command_prints_the_table_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0: a difference is a finding, not a failure."""
    a, b = saved(tmp_path, a=BASE, b=SERIES)
    status, printed, _ = run(capsys, a, b, "--output", tmp_path / "out")
    assert status == 0
    assert printed.startswith("series-fixed (B) beside base (A)")
    names = {path.name for path in tmp_path.glob("out-*")}
    assert names == {
        f"out-{name}.{suffix}"
        for name in ("ecdf-unmap-implicit", "ecdf-unmap-explicit", "ratios")
        for suffix in ("png", "svg")
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("absent.json", "b.json"), r"absent\.json cannot be read: No such file or directory\."),
        (("cut.json", "b.json"), r"cut\.json is not JSON or was cut off"),
        (("newer.json", "b.json"), "has version 2 of the result format, this program reads version 1"),
        (("frames.json", "b.json"), "A is a measurement of overlap and B one of latency"),
        (("a.json", "b.json", "--arms", "implicit"), "--arms is one arm of A and one of B, .* not 'implicit'"),
        (("a.json", "b.json", "--output", "a.json/x"), "pictures a.json/x-\\* could not be written: "),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: Sequence[str],
    sentence: str,
) -> None:
    """Exit status 2, no traceback, and the files are as they were."""
    a, *_ = saved(tmp_path, a=BASE, b=SERIES, frames=overlap(blocks=1))
    (tmp_path / "cut.json").write_bytes(a.read_bytes()[:300])
    (tmp_path / "newer.json").write_text(json.dumps(json.loads(a.read_text()) | {"version": 2}))
    monkeypatch.chdir(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    status, _, complaint = run(capsys, *arguments)
    assert status == 2
    assert re.search(sentence, complaint)
    assert complaint.count("\n") == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_missing_packages_are_installed_only_into_the_environment_of_the_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere one sentence says how; nobody's system Python is touched."""
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "prefix", os.sep)
    with pytest.raises(HarnessError, match=r"measuring needs numpy, scipy, matplotlib: install them with pip install"):
        packages.require_packages()


def test_missing_packages_are_installed_by_the_setup_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its failure is told too."""
    commands: list[list[str]] = []

    def setup(command: list[object], **_options: object) -> object:
        commands.append([str(word) for word in command])
        return type("Done", (), {"returncode": len(commands) - 1})

    clone = Path(packages.__file__).parents[2]
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "prefix", str(clone / ".venv"))
    monkeypatch.setattr(subprocess, "run", setup)
    packages.require_packages()
    with pytest.raises(HarnessError, match="could not be installed; see the messages above"):
        packages.require_packages()
    assert commands == [[str(clone / "scripts" / "setup"), "measure"]] * 2
