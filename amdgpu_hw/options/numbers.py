# SPDX-License-Identifier: MIT
"""How numbers are read from the command line: what is none, not finite or absurd is refused, with what would do."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

__all__ = ("seconds", "whole_number", "within")


def within(low: float, high: float, what: str = "a number") -> Callable[[str], float]:
    """Reads finite numbers from ``low`` to ``high``; ``what`` says what they are."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"must be {what} from {low:g} to {high:g}, not '{text}'")
        return number

    return read


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Reads whole numbers from ``low`` to ``high``."""

    def read(text: str) -> int:
        digits = text.strip()
        is_one = digits.isascii() and digits.isdigit() and len(digits) <= len(str(high))
        number = int(digits) if is_one else low - 1
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, not '{text}'")
        return number

    return read


seconds = within(0.001, 86400, "a time in seconds")
"""Reads bounds of waits: up to a day."""
