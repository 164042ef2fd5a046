# SPDX-License-Identifier: MIT
"""amdgpu_kms.c: opening and closing a device, and the INFO ioctl."""
