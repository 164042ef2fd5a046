# SPDX-License-Identifier: MIT
"""The plugin in runs of pytest that are about something else: it adds options, and nothing more."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

UNRELATED = """
import pytest

@pytest.fixture
def gpu():
    return "mine"

def test_fixtures_are_mine(gpu):
    assert gpu == "mine"

def test_that_fails():
    assert 1 == 2

@pytest.mark.skip(reason="not today")
def test_that_is_skipped(): ...
"""

WHAT_IS_LOADED = """
import json, sys

def test_what_is_loaded():
    ours = ("amdgpu_hw", "cffi", "pyudev", "rich")
    print(json.dumps([name for name in sys.modules if name.partition(".")[0] in ours]))
"""

WITHOUT_LIBDRM = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name in ("amdgpu_hw.libdrm._libdrm", "_cffi_backend", "amdgpu_hw.mock.transport._transport"):
            raise ImportError(f"{name} is missing")

sys.meta_path.insert(0, Refuse())
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A project that has nothing to do with ours."""
    (tmp_path / "test_unrelated.py").write_text(UNRELATED)
    (tmp_path / "broken" / "sitecustomize.py").parent.mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text(WITHOUT_LIBDRM)
    return tmp_path


def run(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest in a process that cannot load libdrm's module; no variable of ours is set."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "AMDGPU"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", *options]
    return subprocess.run(
        command,
        cwd=directory,
        env=environment | {"PYTHONPATH": str(directory / "broken"), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def plain(text: str) -> str:
    """Without times, and without our name in pytest's own list of what is installed."""
    lines = re.sub(r"in [\d.]+s", "in TIME", text).splitlines()
    return "\n".join(_without_us(line) if line.startswith("plugins: ") else line for line in lines)


def _without_us(plugins: str) -> str:
    names = plugins.removeprefix("plugins: ").split(", ")
    return f"plugins: {', '.join(name for name in names if not name.startswith('amdgpu-hw-'))}"


def test_libdrm_is_missing_in_these_runs(directory: Path) -> None:
    """Otherwise they would show nothing."""
    (directory / "test_unrelated.py").write_text("def test_it():\n    import amdgpu_hw.gpu\n")
    assert "is missing" in run(directory).stdout


@pytest.mark.parametrize(
    "options",
    [(), ("-v", "-rA", "--strict-markers", "-W", "error"), ("--markers",), ("--fixtures",)],
    ids=" ".join,
)
def test_an_unrelated_run_is_as_without_the_plugin(directory: Path, options: tuple[str, ...]) -> None:
    """Status, output, markers and fixtures, although libdrm is missing."""
    ours, alone = run(directory, *options), run(directory, *options, "-p", "no:amdgpu_hw")
    assert ours.returncode == alone.returncode
    assert plain(ours.stdout) == plain(alone.stdout)
    assert ours.stderr == alone.stderr


def test_what_is_loaded_is_small(directory: Path) -> None:
    """Options alone: neither bindings, nor gates, nor the mock kernel, nor anything of the suite."""
    (directory / "test_unrelated.py").write_text(WHAT_IS_LOADED)
    lines = run(directory, "-s", "-q").stdout.splitlines()
    (loaded,) = (json.loads(line.removesuffix(".")) for line in lines if line.startswith("["))
    assert set(loaded) == {
        "amdgpu_hw",
        "amdgpu_hw.errors",
        "amdgpu_hw.exit_status",
        "amdgpu_hw.mock",
        "amdgpu_hw.mock.defaults",
        "amdgpu_hw.options",
        "amdgpu_hw.options.declared",
        "amdgpu_hw.options.machine",
        "amdgpu_hw.options.numbers",
        "amdgpu_hw.options.suite",
        "amdgpu_hw.pytest_plugin",
        "amdgpu_hw.shipped",
    }


def test_the_options_are_a_group_of_their_own(directory: Path) -> None:
    """All are found under one heading, and begin alike."""
    text = run(directory, "--help").stdout
    group = text[text.index("tests of amdgpu kernel behaviour:") :]
    group = group[: group.index("\n\n")]
    assert group.count("--amdgpu-") >= 14
    before = text[: text.index("tests of amdgpu kernel behaviour:")]
    assert "--amdgpu-" not in before


def test_a_suite_without_the_plugin_is_told_so(tmp_path: Path) -> None:
    """One sentence, and how to switch it on."""
    suite = Path(__file__).parents[2] / "hw"
    result = run(tmp_path, "-p", "no:amdgpu_hw", str(suite / "test_probe.py"))
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "need the options of the plugin amdgpu_hw, which is switched off" in result.stderr
    assert "Traceback" not in result.stderr
