# SPDX-License-Identifier: MIT
"""amdgpu_drv.c: the driver's ioctls, its module parameters, and how a device comes to life."""
