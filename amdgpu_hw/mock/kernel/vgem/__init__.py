# SPDX-License-Identifier: MIT
"""drivers/gpu/drm/vgem."""
