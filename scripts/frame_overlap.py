#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What sparse binding does to frames that overlap with it, with the flag and without: `amdgpu-hw overlap`."""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import sys

from amdgpu_hw.cli import main
from amdgpu_hw.program import end_with

if __name__ == "__main__":
    end_with(lambda: main(["overlap", *sys.argv[1:]]))
