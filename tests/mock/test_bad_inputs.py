# SPDX-License-Identifier: MIT
"""What people, scripts and broken machines hand to the commands: one sentence, the right status, never a traceback.

Most of it runs in this process, and no machine is ever started for it; streams and what Python starts with need others.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw import cli
from amdgpu_hw.exit_status import ExitStatus

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(os.path.exists("/dev/dri"), reason="this machine may have a GPU, which would be used")

NO_NUMBERS = (
    "",
    " ",
    "x",
    "nan",
    "inf",
    "-inf",
    "-1",
    "1e400",
    "0x10",
    "--",
    "1,5",
    "１２x",
    "1 2",
    "99999999999999999999",
)
WHOLE = ("1.5", "1e3")
NUMBERS = {
    "latency": ("--job-ms", "--timeout", "--gpu-time"),
    "overlap": ("--frame-ms", "--budget-ms", "--rate", "--background-ms", "--timeout", "--gpu-time"),
    "validate": ("--timeout", "--watch"),
    "mock": ("--gpu-time",),
}
WHOLE_NUMBERS = {
    "latency": ("--blocks", "--null-blocks", "--samples"),
    "overlap": ("--blocks", "--null-blocks", "--frames"),
    "guest": ("--memory", "--cpus"),
}
NO_NAMES = ("", "voodoo", "../x", "ü", "a" * 5000, "a,,b", "-")
NAMES = {
    "validate": ("--gate", "--kernel", "--bug", "--parameter", "--without", "--mock", "--require", "--gpu", "--accel"),
    "latency": ("--pstate", "--cpu", "--kernel", "--bug", "--parameter", "--without", "--mock", "--gpu"),
    "mock": ("--gpu", "--kernel", "--bug", "--parameter", "--without"),
    "guest": ("--gpu", "--linux", "--accel", "--parameter"),
}
LISTS = {
    "--loads": ("", ",", "gfx x0", "gfx x25", "gfx x-1", "vce x1", "gfx x99999999999999", "idle,,voodoo"),
    "--operations": ("", ",", "MAP", "UNMAP,MAP", "unmap;clear"),
    "--mappings": ("", ",", "vram", "PRT,vram"),
    "--sizes": ("", ",", "64", "4097", "0", "-4K", "64KB", "99999999999G", "9" * 400, "𝟞𝟜K", "4K,5"),
}
TAIL = {"mock": ("--", "true"), "guest": ("--", "true")}


def arguments() -> Iterator[tuple[str, ...]]:
    """Command lines that nobody can mean."""
    for command, options in NUMBERS.items():
        for option in options:
            yield from ((command, f"{option}={value}", *TAIL.get(command, ())) for value in NO_NUMBERS)
    for command, options in WHOLE_NUMBERS.items():
        for option in options:
            yield from ((command, f"{option}={value}", *TAIL.get(command, ())) for value in (*NO_NUMBERS, *WHOLE))
    for command, options in NAMES.items():
        for option in options:
            yield from ((command, f"{option}={value}", *TAIL.get(command, ())) for value in NO_NAMES)
    for option, values in LISTS.items():
        yield from (("latency", f"{option}={value}") for value in values)
    yield from ((command, "--loud") for command in ("list", "info", "latency", "overlap", "compare", "bugs"))
    yield from ((command, "too", "many") for command in ("list", "info", "latency", "overlap", "bugs"))
    yield from ((), ("dance",), ("",), ("--version=1",), ("compare",), ("compare", "a"), ("compare", "a", "b", "c"))
    yield from (("mock",), ("mock", "--"), ("guest",), ("guest", "--"), ("console", "--machine"))
    yield from (("validate", "--guest=/nowhere"), ("validate", "--guest", "--mock"), ("validate", "--guest="))
    yield from (
        ("validate", f"--guest={ROOT}/"),
        ("validate", f"--guest={ROOT}/README.md"),
        ("validate", "--guest=9.9"),
    )
    yield from (("guest", f"--module={path}", "--", "true") for path in ("/nowhere.ko", "/tmp", "/dev/null"))
    yield from (("console", f"--machine={path}", "status") for path in ("/nowhere", "/dev/null", "/tmp", ""))
    yield from (("console", "dance"), ("overlap", "--frame-ms=20"), ("latency", "--cpu=99999"))
    yield from (("validate",), ("latency",), ("overlap",), ("list",), ("info",), ("info", "--gpu=/dev/null"))
    yield from (
        ("info", f"--gpu={value}") for value in ("", "/", "/dev", "/nowhere", "00:00.0", "-1", "128", "ü" * 300)
    )
    yield from (("latency", "--mock", "--gpu-time=0"), ("overlap", "--mock", "--gpu-time=0"))


@pytest.fixture
def no_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing may be started for what cannot be meant; we are in a directory of our own."""

    class Popen(subprocess.Popen[Any]):
        def __init__(self, command: Any, *rest: Any, **options: Any) -> None:
            words = " ".join(map(str, command)) if isinstance(command, list | tuple) else str(command)
            started = ("amdgpu_hw.mock.server", "amdgpu_hw.guest.device", "-vfio-user", "--socket-path")
            assert not any(word in words for word in started), f"a machine was started: {words}"
            super().__init__(command, *rest, **options)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    monkeypatch.chdir(tmp_path)


def refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str], status: int = ExitStatus.UNUSABLE) -> str:
    """Run a command that must be refused; the sentence."""
    try:
        ended = cli.main(words)
    except SystemExit as end:
        ended = int(end.code or 0)
    told = capsys.readouterr()
    lines = [line for line in told.err.strip().splitlines() if line]
    assert ended == status, told
    assert "Traceback" not in told.out + told.err
    assert "a fault of this program" not in told.err
    assert lines, "nothing was said"
    assert lines[-1].startswith("amdgpu-hw"), lines
    assert lines[0].startswith(("usage: ", "amdgpu-hw: ")), lines
    assert lines[0].startswith("usage: ") or len(lines) == 1, lines
    return lines[-1]


ARGUMENTS = list(dict.fromkeys(arguments()))


@pytest.mark.usefixtures("no_machine")
@pytest.mark.parametrize("words", ARGUMENTS, ids=lambda words: " ".join(words)[:60] or "nothing")
def test_wrong_arguments_are_one_sentence(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Said before anything is started."""
    refused(words, capsys)


def test_there_are_hundreds_of_them() -> None:
    """So that a kind of mistake is not left out."""
    assert len(ARGUMENTS) >= 300


FILES: dict[str, bytes] = {
    "empty": b"",
    "cut": b'{"format": "amdgpu_hw latency", "version": 1, "rou',
    "list": b"[]",
    "null": b"null",
    "number": b"1e999",
    "binary": bytes(range(256)) * 16,
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 50_000,
    "other": json.dumps({"format": "amdgpu_hw verdict", "version": 1}).encode(),
    "newer": json.dumps({"format": "amdgpu_hw latency", "version": 999}).encode(),
    "no fields": json.dumps({"format": "amdgpu_hw latency", "version": 1}).encode(),
    "utf-16": '{"format": "amdgpu_hw latency"}'.encode("utf-16"),
    "NaN": b'{"format": NaN, "version": NaN}',
    "long number": b'{"format": "amdgpu_hw latency", "version": ' + b"9" * 5000 + b"}",
}
NO_FILES = ("absent", "a directory", "a fifo", "/dev/null", "/proc/self/mem", "a loop", "x" * 300, "under/empty/here")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with all of them."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "a directory").mkdir()
    (tmp_path / "a loop").symlink_to("a loop")
    (tmp_path / "under").mkdir()
    (tmp_path / "under" / "empty").touch()
    os.mkfifo(tmp_path / "a fifo")
    return tmp_path


@pytest.mark.usefixtures("no_machine")
@pytest.mark.parametrize("name", [*FILES, *NO_FILES])
@pytest.mark.parametrize("first", [True, False], ids=["A", "B"])
def test_files_that_are_no_results_are_one_sentence(
    files: Path, name: str, first: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """On either side of a comparison, and nobody waits for what is never written."""
    pytest.importorskip("scipy")
    pair = (name, "list") if first else ("list", name)
    refused(("compare", *pair, "--no-plots"), capsys)


PLACES = ("a directory", "under/empty/here.json", "/proc/here.json", "/dev/full", "x" * 300, "/sys/here.json")


@pytest.mark.usefixtures("no_machine")
@pytest.mark.parametrize("place", PLACES, ids=ascii)
@pytest.mark.parametrize("command", ["latency", "overlap"])
def test_a_result_that_cannot_be_written_is_said_first(
    files: Path, command: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is measured."""
    pytest.importorskip("scipy")
    name = place if place != "a directory" else f"{place}.json"
    (files / "a directory.json").mkdir()
    if place == "/dev/full":
        (files / "full.json").symlink_to("/dev/full")
        name = "full.json"
    refused((command, "--mock", f"--output={name}"), capsys)


WHILE_STARTING: dict[str, dict[str, str | None]] = {
    "no HOME": {"HOME": None},
    "TMPDIR is nowhere": {"TMPDIR": "/nowhere"},
    "no PATH": {"PATH": ""},
    "C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "unknown locale": {"LC_ALL": "xx_YY.KOI8-R"},
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "no such preload": {"LD_PRELOAD": "/nowhere.so"},
}
"""What the loader, Python or what it imports goes by when a process starts."""

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "HOME is nowhere": {"HOME": "/nowhere"},
    "TMPDIR is a file": {"TMPDIR": "/dev/null"},
    "dumb terminal": {"TERM": "dumb", "COLUMNS": "0"},
    "no number of columns": {"COLUMNS": "many"},
    "a mock machine that is none": {"AMDGPU_HW_MOCK_MACHINE": "{"},
    "another mock machine": {"AMDGPU_HW_MOCK_MACHINE": "[]"},
    "a directory that is none": {"UMOCKDEV_DIR": "/nowhere"},
    "arguments that do not end": {"AMDGPU_HW_ASKED": "'"},
    "faults": {"AMDGPU_HW_ALLOW_FAULTS": "perhaps"},
    "options of pytest": {"PYTEST_ADDOPTS": "--no-such-option"},
    "a cache nowhere": {"AMDGPU_HW_CACHE": "/proc/nowhere"},
}
"""What a command looks up while it runs."""


def process(words: list[str], cwd: Path = ROOT, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, with changes to its environment."""
    environment: dict[str, str | None] = {**os.environ, **changes}
    kept = {name: value for name, value in environment.items() if value is not None and name != "PYTEST_CURRENT_TEST"}
    command = [sys.executable, "-m", "amdgpu_hw", *words]
    return subprocess.run(
        command, env=kept, cwd=cwd, capture_output=True, timeout=120, encoding="utf-8", errors="replace", check=False
    )


NO_GPU = "amdgpu-hw: no amdgpu GPU was found"


@pytest.mark.parametrize("name", WHILE_STARTING)
def test_a_process_that_starts_in_an_odd_environment_costs_no_traceback(name: str, tmp_path: Path) -> None:
    """There is no GPU here, and that is what is said."""
    result = process(["list"], tmp_path, **WHILE_STARTING[name])
    lines = [line for line in result.stderr.splitlines() if "ld.so" not in line]
    assert (result.returncode, result.stdout) == (ExitStatus.UNUSABLE, ""), result.stderr
    assert len(lines) == 1, lines
    assert lines[0].startswith(NO_GPU), lines


@pytest.mark.usefixtures("no_machine")
@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("command", ["list", "validate", "latency"])
def test_an_odd_environment_costs_no_traceback(
    command: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither does what is looked up while a command runs."""
    for variable, value in ENVIRONMENTS[name].items():
        monkeypatch.setenv(variable, value)
    assert refused((command,), capsys).startswith(NO_GPU)


STREAMS = ("<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>&1")


@pytest.mark.parametrize(
    ("words", "streams"),
    # One of each kind for what says a sentence, and for what prints a table of many kilobytes.
    [("--help", streams) for streams in STREAMS]
    + [("list", streams) for streams in ("<&- >&- 2>&-", "2>/dev/full", ">/dev/full 2>&1")]
    + [("bugs", streams) for streams in (">&-", ">/dev/full")],
)
def test_streams_that_are_closed_or_full_are_no_crash(words: str, streams: str) -> None:
    """What cannot be printed is said where something can still be said."""
    command = f"{shlex.quote(sys.executable)} -m amdgpu_hw {words} {streams}"
    result = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    lost = ">/dev/full" in streams.replace("2>/dev/full", "") and words != "list"
    usual = ExitStatus.UNUSABLE if words == "list" or lost else ExitStatus.PROVEN
    assert result.returncode == usual, result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert "Exception ignored" not in result.stdout + result.stderr


def test_a_read_only_directory_is_no_crash(tmp_path: Path) -> None:
    """Neither the package's own, whose caches cannot be written, nor the working one."""
    result = process(["latency", "--mock", "--quick"], Path("/proc"))
    assert result.returncode == ExitStatus.UNUSABLE
    assert "could not be written" in result.stderr
    assert "Traceback" not in result.stderr
