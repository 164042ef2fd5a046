# SPDX-License-Identifier: MIT
"""amdgpu_gem.c: what clients do with buffers."""
