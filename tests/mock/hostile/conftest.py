# SPDX-License-Identifier: MIT
"""How long the hostile clients try: HOSTILE_EXAMPLES multiplies the number of examples, and makes them random.

Without it every run tries the same ones, few enough for every day.
"""

import os

from hypothesis import HealthCheck, settings

FACTOR = float(os.environ.get("HOSTILE_EXAMPLES", "0"))

settings.register_profile(
    "hostile",
    deadline=None,
    derandomize=not FACTOR,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


def examples(count: int) -> int:
    """How many examples to try where ``count`` are enough for every day."""
    return max(count, round(count * FACTOR))


settings.load_profile("hostile")
