# SPDX-License-Identifier: MIT
"""The planted bugs, one file each; `amdgpu_hw.mock.planting` says what such a file holds."""
