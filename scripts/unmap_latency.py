#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long an unmap takes to become effective, with the flag and without: `amdgpu-hw latency`."""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import sys

from amdgpu_hw.cli import main
from amdgpu_hw.program import end_with

if __name__ == "__main__":
    end_with(lambda: main(["latency", *sys.argv[1:]]))
