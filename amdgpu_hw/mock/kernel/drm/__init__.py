# SPDX-License-Identifier: MIT
"""drivers/gpu/drm: what all its drivers share."""
