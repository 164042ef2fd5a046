# SPDX-License-Identifier: MIT
"""Makes the calls of `agreement.calls` on the first amdgpu GPU and writes an errno for each: ``errno_client OUT``.

Runs on either machine, and cannot tell which. OUT gets a line of JSON for each call, as it is made.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from agreement.bounded import Answer, one_by_one
from agreement.calls import CALLS

LIMIT_S = 20.0
"""Longer than any call takes that does not block, on emulated processors that others use as well."""


def _start() -> _Caller:
    return _Caller()


class _Caller:
    def __call__(self, number: int) -> Answer:
        return CALLS[number].make()


def main(arguments: Sequence[str]) -> int:
    """Make all calls."""
    with Path(arguments[0]).open("w", encoding="utf-8") as out:
        for number, answer in one_by_one(len(CALLS), _start, LIMIT_S):
            out.write(json.dumps({"call": CALLS[number].name, **answer}) + "\n")
            out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
