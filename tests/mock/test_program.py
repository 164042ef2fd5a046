# SPDX-License-Identifier: MIT
"""What a program of ours ends with, whatever goes wrong in it: a sentence and a status, never a traceback."""

from __future__ import annotations

import errno
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError, RunCutShort
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.program import run_program
from amdgpu_hw.terminal import plain


def raiser(error: BaseException) -> Callable[[], int]:
    """Work that ends so."""

    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (HarnessError("no GPU: plug one in"), ExitStatus.UNUSABLE, "no GPU: plug one in"),
        (RunCutShort("the mock kernel died"), ExitStatus.INCOMPLETE, "the mock kernel died"),
        (KeyboardInterrupt(), ExitStatus.INCOMPLETE, "interrupted"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), ExitStatus.UNUSABLE, "/x: Read-only file system"),
        (MemoryError(), ExitStatus.UNUSABLE, "there is not enough memory"),
        (RecursionError(), ExitStatus.UNUSABLE, "what was given is nested too deeply"),
        (ValueError("two\nlines"), ExitStatus.INCOMPLETE, "a fault of this program, please report it: ValueError in"),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_a_status(
    error: BaseException, status: ExitStatus, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of it is 1, which is a judgement."""
    assert run_program("us", raiser(error)) == status
    told = capsys.readouterr().err
    assert told.startswith("us: ")
    assert says in told
    assert told.count("\n") == 1


def test_where_a_fault_came_from_is_shown_to_who_asks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a report of it."""
    monkeypatch.setenv("AMDGPU_HW_TRACEBACK", "1")
    run_program("us", raiser(ValueError("x")))
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_interrupt_inside_an_exec_does_not_end_the_process_by_its_signal(tmp_path: Path) -> None:
    """As while a dataclass is made: CPython remembers it although it is handled."""
    (tmp_path / "interrupted.py").write_text(
        "from amdgpu_hw.program import end_with, run_program\n"
        "work = lambda: exec('import os, signal; os.kill(os.getpid(), signal.SIGINT); [0 for _ in range(10**6)]')\n"
        "end_with(lambda: run_program('us', work))\n"
    )
    command = [sys.executable, "-m", "interrupted"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (ExitStatus.INCOMPLETE, "us: interrupted\n")


def test_signals_are_held_back_from_a_program_of_ours_until_it_can_handle_them() -> None:
    """An interpreter that is interrupted while it starts ends with a traceback."""
    script = (
        "import subprocess, sys\nfrom amdgpu_hw.program import hold_back_signals\n"
        "with hold_back_signals():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(0.5)\\n'\n"
        "        'from amdgpu_hw.program import end_with, run_program\\n'\n"
        "        'end_with(lambda: run_program(\"us\", lambda: time.sleep(30)))'])\n"
        "child.send_signal(2)\nprint(child.wait(60))"
    )
    before = time.monotonic()
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=90, check=False)
    assert (result.stdout, result.stderr) == ("3\n", "us: interrupted\n")
    assert time.monotonic() - before < 30


def test_what_an_encoding_lacks_is_spelled_otherwise() -> None:
    """Lines, units, and what nobody foresaw."""
    assert plain("━━┃ 31.2 µs, 3× faster…") == "--| 31.2 us, 3x faster..."
    assert plain("日本") == "??"


def test_a_sentence_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """It may quote a file."""
    run_program("p", raiser(HarnessError("no '\x1b[31m\u202e\x9b'")))
    assert capsys.readouterr().err == "p: no '?[31m??'\n"
