# SPDX-License-Identifier: MIT
"""The tests."""

from __future__ import annotations

import os

BOOTING = "tests/guest/machine/"
"""The tests that boot guest machines: one after the other, as each keeps several processors busy."""


def plain_environment() -> dict[str, str]:
    """Ours, without what pytest has put there.

    Call it where the test runs and hand the answer to threads: pytest changes the environment between two tests, and
    Python's ``os.environ`` cannot be read meanwhile.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
