# SPDX-License-Identifier: MIT
"""amdgpu_object.c: buffer objects."""
