# SPDX-License-Identifier: MIT
"""A program of ours from its start to its exit status: whatever goes wrong is one sentence and the status for it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn, TextIO

from amdgpu_hw import terminal
from amdgpu_hw.errors import AmdgpuHwError
from amdgpu_hw.exit_status import ExitStatus

__all__ = ("TRACEBACK", "end_with", "hold_back_signals", "run_program")

TRACEBACK = "AMDGPU_HW_TRACEBACK"
"""Environment variable: 1 shows where a fault of this program came from."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def hold_back_signals() -> Iterator[None]:
    """Processes of ours that are started inside get Ctrl-C and SIGTERM when `run_program` runs in them, not before.

    An interpreter that is interrupted while it starts ends with 1 and a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_program(name: str, work: Callable[[], int]) -> int:
    """Do ``work`` and return its exit status, or that of what went wrong, after a sentence about it.

    ``work`` had better import what it needs: an interrupt meanwhile is then handled, too.
    """
    try:
        terminal.make_fit()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        status = _status_of(work)
        sys.stdout.flush()
    except AmdgpuHwError as error:
        return _say(name, str(error), error.exit_status)
    except KeyboardInterrupt:
        return _say(name, "interrupted", ExitStatus.INCOMPLETE)
    except BrokenPipeError:
        # Whoever read our output has had enough, e.g. `amdgpu-hw list | head -1`.
        _drop(sys.stdout)
        return ExitStatus.UNUSABLE
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror or error}"
        return _say(name, f"the system refused something: {what}", ExitStatus.UNUSABLE)
    except RecursionError:
        return _say(name, "what was given is nested too deeply", ExitStatus.UNUSABLE)
    except MemoryError:
        return _say(name, "there is not enough memory", ExitStatus.UNUSABLE)
    except Exception as error:
        return _fault(name, error)
    return status


def _status_of(work: Callable[[], int]) -> int:
    """The status that ``work`` returns; raises `SystemExit` where argparse does, which means wrong usage or help."""
    try:
        return work()
    except SystemExit:
        sys.stdout.flush()
        raise


def _fault(name: str, error: Exception) -> int:
    """Say what is wrong with this program, and where; its traceback is for who asks for it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    if os.environ.get(TRACEBACK, "0") not in ("", "0"):
        traceback.print_exception(error)
    said = " ".join(str(error).split())
    return _say(
        name,
        f"a fault of this program, please report it: {type(error).__name__}{where}: {said} ({TRACEBACK}=1 shows more)",
        ExitStatus.INCOMPLETE,
    )


def _say(name: str, sentence: str, status: ExitStatus) -> int:
    """Say it after what was printed before; a stream that cannot be written is nothing to fail for any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is sys.stderr:
                print(terminal.printable(f"{name}: {sentence}"), file=stream)
            stream.flush()
        except (OSError, ValueError):
            _drop(stream)
    return status


def _drop(stream: TextIO) -> None:
    """Have what is left in a stream's buffer go nowhere, so that the interpreter's end does not fail with it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def end_with(program: Callable[[], int]) -> NoReturn:
    """Be a program: run it, and end the process with its status."""
    try:
        status = program()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None) * ExitStatus.UNUSABLE
    # An interrupt inside an exec() that was handled afterwards (a dataclass that was being made) would still end the
    # process by SIGINT: CPython notes it in run_eval_code_obj, and only the next one forgets it.
    exec("")
    # An interrupt from here on would come too late, and cost the status.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError):
            try:
                stream.flush()
            except OSError:
                _drop(stream)
    sys.exit(status)
