# SPDX-License-Identifier: MIT
"""What runs on a box: it prepares the environment, starts a validation, tells how far it is, and stops it.

This file is copied to the box by itself, before anything else is there, so it imports nothing but Python's own. It is
run as ``python3 agent.py COMMAND JSON`` and answers with a line of JSON. A validation is started apart from the
connection and goes on when that is lost; who supervises it holds a lock, so that it is known to be alive without a
process number that another may have by now.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ("LEAST_FREE", "main")

LEAST_FREE = 16 << 20
"""Bytes: with less than that on its disk a box is no place for a run."""

_LOCK, _HOLDER = "lock", "holder"
_ALIVE, _ENDED, _RESULT, _LOG, _PACKED = "alive", "ended.json", "result.json", "log", "packed.tar.gz"
_STOP_S = 20
_ANSWER_AT_START_S = 20
_LOG_TAIL = 2000


def main(arguments: list[str]) -> int:
    """Carry out one command; what goes wrong is part of the answer."""
    name, given = arguments[0], json.loads(arguments[1])
    if name == "supervise":
        return _supervise(**given)
    try:
        answer = _COMMANDS[name](**given)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        answer = {"error": f"{error.strerror}{where}", "full": error.errno in (errno.ENOSPC, errno.EDQUOT)}
    print(json.dumps(answer))
    return 0


def _hello(home: str) -> dict[str, Any]:
    """What the box is."""
    directory = Path(home)
    directory.mkdir(parents=True, exist_ok=True)
    return {
        "release": os.uname().release,
        "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "python": list(sys.version_info[:2]),
        "free": shutil.disk_usage(directory).free,
        "home": str(directory.resolve()),
        "held_by": _held_by(home),
    }


def _held_by(home: str) -> str:
    """Who has a run on the box; nobody if empty."""
    holding = Path(home) / _HOLDER
    if not _is_locked(Path(home) / _LOCK):
        return ""
    return holding.read_text().strip() if holding.exists() else "somebody"


def _program(home: str, digest: str) -> dict[str, Any]:
    """The program of an environment; empty where there is none yet, or it is being made."""
    environment = Path(home) / "environments" / digest
    return {"program": str(environment / "bin" / "amdgpu-hw") if (environment / "ready").exists() else ""}


def _prepare(home: str, wheel: str, digest: str, wheels: str | None) -> dict[str, Any]:
    """Have an environment with this wheel, made once for each; offline where this Python has what it depends on."""
    environment = Path(home) / "environments" / digest
    environment.parent.mkdir(exist_ok=True)
    with (environment.parent / f"{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (environment / "ready").exists():
            return _program(home, digest)
        why = _make_environment(environment, wheel, wheels)
        if why:
            shutil.rmtree(environment, ignore_errors=True)
            return {"error": why, "full": shutil.disk_usage(home).free < LEAST_FREE}
        (environment / "ready").touch()
    return _program(home, digest)


def _make_environment(environment: Path, wheel: str, wheels: str | None) -> str:
    """Make it; returns why it could not be made, or an empty text."""
    shutil.rmtree(environment, ignore_errors=True)
    made = _command(sys.executable, "-m", "venv", str(environment))
    if made:
        return f"python3 -m venv failed (on Debian the package python3-venv is needed): {made}"
    python = environment / "bin" / "python"
    site = next((environment / "lib").glob("python3.*")) / "site-packages"
    # What is installed for the interpreter that makes the environment, perhaps one itself, need not be fetched again.
    (site / "installed-before.pth").write_text("".join(f"{path}\n" for path in sys.path if path.endswith("-packages")))
    pip = (str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--no-warn-conflicts")
    ours = _command(*pip, "--no-index", "--no-deps", "--force-reinstall", wheel)
    if ours:
        return f"the wheel could not be installed: {ours}"
    offline = _command(*pip, "--no-index", *(("--find-links", wheels) if wheels else ()), wheel)
    online = _command(*pip, wheel) if offline else ""
    if online:
        return f"what the wheel depends on is not there and could not be fetched: {online}"
    return ""


def _command(*words: str) -> str:
    """Run it; returns the end of what it says if it fails, or an empty text."""
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return "" if done.returncode == 0 else (lines[-1] if lines else f"{words[0]} ended with {done.returncode}")


def _start(home: str, run: str, holder: str, command: list[str], limit_s: float) -> dict[str, Any]:
    """Start a validation that goes on by itself; says who holds the box if somebody else does."""
    directory = Path(home) / "runs" / run
    directory.mkdir(parents=True, exist_ok=True)
    if _is_locked(directory / _ALIVE):
        return {"started": True}
    (directory / _ENDED).unlink(missing_ok=True)
    given = {"home": home, "run": run, "holder": holder, "command": command, "limit_s": limit_s}
    with (directory / _LOG).open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, __file__, "supervise", json.dumps(given)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + _ANSWER_AT_START_S
    while not _is_locked(directory / _ALIVE) and not (directory / _ENDED).exists():
        if supervisor.poll() is not None or time.monotonic() > deadline:
            if other := _held_by(home):
                return {"held_by": other}
            return {"error": f"the run could not be started: {_tail(directory / _LOG)}", "full": False}
        time.sleep(0.05)
    return {"started": True}


def _supervise(home: str, run: str, holder: str, command: list[str], limit_s: float) -> int:
    """Be the process that a validation runs under: hold the box, end what takes too long, say how it ended."""
    directory = Path(home) / "runs" / run
    with (Path(home) / _LOCK).open("w") as box, (directory / _ALIVE).open("w") as alive:
        try:
            fcntl.flock(box, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 1
        (Path(home) / _HOLDER).write_text(holder)
        alive.write(str(os.getpid()))
        alive.flush()
        fcntl.flock(alive, fcntl.LOCK_EX)
        stopped: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
        child = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + limit_s
        while child.poll() is None and not stopped and time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.2)
        timed_out = child.poll() is None and not stopped
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if child.returncode < 0 and not timed_out and not stopped:
            return 1  # killed by somebody, e.g. for want of memory: it died, and did not end
        ended = {"status": child.returncode, "timed_out": timed_out, "stopped": bool(stopped)}
        beside = directory / f".{_ENDED}"
        beside.write_text(json.dumps(ended))
        beside.replace(directory / _ENDED)
    return 0


def _poll(home: str, run: str, seen: int) -> dict[str, Any]:
    """How far a run is; its result file only if that is another than the one whose time stamp has been ``seen``."""
    directory = Path(home) / "runs" / run
    alive = _is_locked(directory / _ALIVE)  # first: it ends between the two
    ended = directory / _ENDED
    state: dict[str, Any] = {"state": "running" if alive else "absent"}
    if not alive and ended.exists():
        state = {"state": "ended", **json.loads(ended.read_text())}
    elif not alive and (directory / _ALIVE).exists():
        state = {"state": "died"}
    result = directory / _RESULT
    state["seen"], state["result"] = seen, None
    with contextlib.suppress(FileNotFoundError):
        stamp = result.stat().st_mtime_ns
        if stamp != seen:
            state["seen"] = stamp
            state["result"] = base64.b64encode(zlib.compress(result.read_bytes())).decode()
    return {**state, "log": _tail(directory / _LOG), "free": shutil.disk_usage(home).free}


def _stop(home: str, run: str, kill: bool) -> dict[str, Any]:
    """End a run: in order, or at once, when whatever is running then is the suspect."""
    alive = Path(home) / "runs" / run / _ALIVE
    if not _is_locked(alive):
        return {"stopped": True}
    supervisor = int(alive.read_text())
    with contextlib.suppress(ProcessLookupError):
        if kill:
            os.killpg(supervisor, signal.SIGKILL)
        else:
            os.kill(supervisor, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_S + 5
    while _is_locked(alive) and time.monotonic() < deadline:
        time.sleep(0.05)
    return {"stopped": not _is_locked(alive)}


def _pack(home: str, run: str) -> dict[str, Any]:
    """Put all that a run has left into one archive."""
    directory = Path(home) / "runs" / run
    packed = directory / _PACKED
    with tarfile.open(packed, "w:gz") as archive:
        for path in sorted(directory.iterdir()):
            if path.name not in (_PACKED, _ALIVE, _ENDED):
                archive.add(path, path.name)
    return {"file": str(packed)}


def _forget(home: str, run: str) -> dict[str, Any]:
    """Remove a run that has been fetched."""
    shutil.rmtree(Path(home) / "runs" / run, ignore_errors=True)
    return {}


def _is_locked(path: Path) -> bool:
    """Whether a living process has a lock on the file."""
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _tail(log: Path) -> str:
    """The end of what the run has printed."""
    with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_TAIL))
        return file.read().decode("utf-8", "replace").strip()
    return ""


_COMMANDS: Mapping[str, Any] = {
    "hello": _hello,
    "program": _program,
    "prepare": _prepare,
    "start": _start,
    "poll": _poll,
    "stop": _stop,
    "pack": _pack,
    "forget": _forget,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
