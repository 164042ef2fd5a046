# SPDX-License-Identifier: MIT
"""drivers/gpu/drm/scheduler."""
