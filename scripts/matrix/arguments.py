# SPDX-License-Identifier: MIT
"""What the command lines of scripts that run machines side by side are made of."""

from __future__ import annotations

import argparse

__all__ = ("positive",)


def positive(text: str) -> int:
    """A number from 1 on; raises `argparse.ArgumentTypeError`."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, not '{text}'")
    return number
