# SPDX-License-Identifier: MIT
"""The words of the tests in tests/hw: the behaviour a test proves, work held by a gate, and what must be seen."""

from __future__ import annotations

__all__ = ("ALLOW_FAULTS",)

ALLOW_FAULTS = "AMDGPU_HW_ALLOW_FAULTS"
"""Environment variable: 1 stands for ``--amdgpu-allow-faults``, on machines where every run may make GPUs fault."""
