# SPDX-License-Identifier: MIT
"""``python -m amdgpu_hw`` is ``amdgpu-hw``."""

import sys

from amdgpu_hw.cli import main

if __name__ == "__main__":
    sys.exit(main())
