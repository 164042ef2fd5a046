# SPDX-License-Identifier: MIT
"""drivers/gpu/drm/amd/amdgpu."""
