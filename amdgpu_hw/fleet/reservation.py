# SPDX-License-Identifier: MIT
"""A place of labgrid's that is ours for a while: reserved by its tags, waited for, locked, and let go again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping

from amdgpu_hw.errors import HarnessError

__all__ = ("Reservation",)

_ANSWER_S = 60
_CLIENT = (sys.executable, "-m", "labgrid.remote.client")


class Reservation:
    """A place with these tags, acquired; ``place`` is its name. Raises `HarnessError` where there is none in time."""

    def __init__(self, coordinator: str, tags: Mapping[str, str], within_s: float) -> None:
        self._coordinator = coordinator
        filters = [f"{key}={value}" for key, value in tags.items()]
        what = f"a place with {', '.join(filters)}"
        out = self._client(f"reserve {what}", "reserve", "--shell", *filters)
        found = re.search(r"LG_TOKEN=(\S+)", out)
        if found is None:
            raise HarnessError(f"labgrid does not reserve {what}: {out.strip()}")
        self._token = found[1]
        self.place = ""
        try:
            self._wait(what, within_s)
            acquired = self._client(f"lock {what}", "-p", f"+{self._token}", "acquire")
            self.place = acquired.split()[-1]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let it go; harmless where that was done."""
        if self.place:
            self._client_quietly("-p", self.place, "release")
            self.place = ""
        if self._token:
            self._client_quietly("cancel-reservation", self._token)
            self._token = ""

    def _wait(self, what: str, within_s: float) -> None:
        """Wait until the place is allocated."""
        begun = time.monotonic()
        try:
            self._run(within_s, "wait", self._token)
        except subprocess.TimeoutExpired:
            holders = self._client_quietly("who").strip().splitlines()[1:]
            who = "; ".join(" ".join(line.split()) for line in holders) or "nobody, so there is none"
            waited = time.monotonic() - begun
            raise HarnessError(f"{what} did not become free within {waited:.0f} s; held are: {who}") from None

    def _client(self, what: str, *words: str) -> str:
        """Run labgrid's client; raises `HarnessError` with what it complains of."""
        try:
            done = self._run(_ANSWER_S, *words)
        except subprocess.TimeoutExpired:
            raise HarnessError(f"labgrid's coordinator {self._coordinator} did not answer: could not {what}") from None
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "nothing was said about it").splitlines()[-1]
            raise HarnessError(f"labgrid's coordinator {self._coordinator} could not {what}: {last}")
        return done.stdout

    def _client_quietly(self, *words: str) -> str:
        """Run it where nothing can be done about a failure: when a place is let go."""
        try:
            return self._run(_ANSWER_S, *words).stdout
        except subprocess.TimeoutExpired:
            return ""

    def _run(self, timeout_s: float, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*_CLIENT, "-x", self._coordinator, *words],
            env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
