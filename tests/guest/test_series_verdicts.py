# SPDX-License-Identifier: MIT
"""`scripts/series_verdicts.py`, as far as it goes without the mails of the series."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import series_verdicts
from series_verdicts import STATES, SeriesState, main

from amdgpu_hw.guest.source_edits import find_edits
from amdgpu_hw.mock.variants import VARIANTS


def test_each_kind_has_its_edits_and_a_mock_kernel() -> None:
    """In an order that the edits allow."""
    for state in STATES:
        files = [find_edits(name) for name in state.edits]
        assert state.variant in VARIANTS
        for number, file in enumerate(files):
            assert file.linux == series_verdicts.LINUX
            assert not file.needs or file.needs in state.edits[:number]


def test_without_a_module_there_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What stands in the way is said by scripts/build_module."""
    (tmp_path / "build_module").write_text("#!/bin/sh\necho sorry >&2\nexit 2\n")
    (tmp_path / "build_module").chmod(0o755)
    monkeypatch.setattr(series_verdicts, "SCRIPTS", tmp_path)
    assert main([str(tmp_path / "1.eml"), f"--results={tmp_path / 'results'}"]) == 2
    assert capsys.readouterr().err == "series_verdicts: there is no module of the series as posted\n"


def test_a_run_that_was_not_whole_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken row is one, a guest that does not start is none; nothing goes on after that."""
    started: list[str] = []

    def build(state: SeriesState, _: object) -> str:
        started.append(state.name)
        return "no.ko"

    monkeypatch.setattr(series_verdicts, "_module", build)
    monkeypatch.setattr(series_verdicts, "STATES", (SeriesState("posted", (), "no such kernel"),) * 2)
    assert main([str(tmp_path / "1.eml"), f"--results={tmp_path}"]) == 2
    assert started == ["posted"]
    assert "posted-vega10-guest.txt says why" in capsys.readouterr().err


def test_a_module_is_built_once_and_judged_on_each_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is named twice counts once; without one it is the default."""
    done: list[str] = []

    def build(state: SeriesState, _: object) -> str:
        done.append(f"build {state.name}")
        return f"{state.name}.ko"

    def judge(results: Path, *options: str) -> None:
        done.append(f"{results.stem}: {options[-1]}")

    monkeypatch.setattr(series_verdicts, "_module", build)
    monkeypatch.setattr(series_verdicts, "_validate", judge)
    monkeypatch.setattr(subprocess, "run", lambda *_arguments, **_options: None)
    monkeypatch.setattr(series_verdicts, "STATES", STATES[1:])
    gpus = ["--gpu=mi300x", "--gpu=vega10", "--gpu=mi300x"]
    assert main(["1.eml", f"--results={tmp_path}", *gpus]) == 0
    mended = [
        "build mended",
        "mended-mi300x-guest: --module=mended.ko",
        "mended-mi300x-mock: --kernel=series-fixed-7.3",
        "mended-vega10-guest: --module=mended.ko",
        "mended-vega10-mock: --kernel=series-fixed-7.3",
    ]
    assert done == mended
    done.clear()
    assert main(["1.eml", f"--results={tmp_path}"]) == 0
    assert done == [mended[0], *mended[3:]]
