# SPDX-License-Identifier: MIT
"""amdgpu_cs.c: submissions."""
