# SPDX-License-Identifier: MIT
"""amdgpu_device.c: a device (`device`), gangs (`gang`) and the reset of the GPU (`recover`)."""
