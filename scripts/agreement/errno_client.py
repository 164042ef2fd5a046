# SPDX-License-Identifier: MIT
"""Makes calls of `agreement.calls` on the first amdgpu GPU and writes an errno for each: ``errno_client NUMBERS OUT``.

NUMBERS is an array of which; OUT gets a line of JSON for each call, as it is made. Runs on either machine, and cannot
tell which.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from agreement.bounded import Answer, one_by_one
from agreement.calls import CALLS

LIMIT_S = 20.0
"""Longer than any call takes that does not block, on emulated processors that others use as well."""


def main(arguments: Sequence[str]) -> int:
    """Make them."""
    numbers: list[int] = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))

    def start() -> Callable[[int], Answer]:
        return lambda at: CALLS[numbers[at]].make()

    with Path(arguments[1]).open("w", encoding="utf-8") as out:
        for at, answer in one_by_one(len(numbers), start, LIMIT_S):
            out.write(json.dumps({"call": CALLS[numbers[at]].name, **answer}) + "\n")
            out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
