# SPDX-License-Identifier: MIT
"""Pages of the CPU as the modelled kernel has them (asm/page.h): x86-64's, whatever the host's are.

The GPU's pages are another thing (`AMDGPU_GPU_PAGE_SIZE`); on such a machine they are as big.
"""

from __future__ import annotations

__all__ = ("PAGE_SHIFT", "PAGE_SIZE")

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
