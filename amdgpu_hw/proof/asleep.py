# SPDX-License-Identifier: MIT
"""Whether a call of another thread has gone to sleep in the kernel."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from amdgpu_hw.sync import BackgroundCall

__all__ = ("comes_to_sleep",)

_ASLEEP_S = 0.02
_LONGEST_S = 2.0


def comes_to_sleep(call: BackgroundCall[Any]) -> bool:
    """Whether a call comes to sleep, for as long as nothing but a long sleep is; False if it returns before."""
    stat = Path(f"/proc/self/task/{call.thread_id}/stat")
    end = time.monotonic() + _LONGEST_S
    asleep_since = None
    while time.monotonic() < end and not call.done():
        state = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        if state not in ("S", "D"):
            asleep_since = None
        elif asleep_since is None:
            asleep_since = time.monotonic()
        elif time.monotonic() - asleep_since > _ASLEEP_S:
            return True
        time.sleep(_ASLEEP_S / 10)
    return False
