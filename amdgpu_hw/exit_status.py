# SPDX-License-Identifier: MIT
"""What the exit status of every command of this package means."""

from __future__ import annotations

import enum

__all__ = ("ExitStatus",)


class ExitStatus(enum.IntEnum):
    """How a command ended; 1 is said by a judgement alone, never by something that went wrong.

    Commands that prove nothing by themselves (``list``, ``latency``, ``diff``) end with `PROVEN` when they did what was
    asked. ``mock`` and ``guest`` end as the program ended that they ran.
    """

    PROVEN = 0
    """Done; of a validation: something was proven, and nothing is broken."""
    BROKEN = 1
    """Judged broken: a behaviour does not hold, or an expectation was not met. However the run ended otherwise."""
    UNUSABLE = 2
    """The environment, or what was asked, allows no verdict, as one sentence says: no GPU, no permission, a typo."""
    INCOMPLETE = 3
    """The run did not come to its end, or not to a judgement: interrupted, crashed, or a row is inconclusive."""
    SILENT = 4
    """Nothing was said about the series: the kernel lacks it, or no row about it could be tested."""
