# SPDX-License-Identifier: MIT
"""``python -m amdgpu_hw`` is ``amdgpu-hw``."""

from amdgpu_hw.cli import command

if __name__ == "__main__":
    command()
