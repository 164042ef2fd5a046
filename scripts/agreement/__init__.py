# SPDX-License-Identifier: MIT
"""The parts of kernel_diff.py: the same calls and programs on a real kernel and on the mock kernel of that age."""
