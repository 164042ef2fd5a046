# SPDX-License-Identifier: MIT
"""The parts of `scripts/bug_matrix.py`."""
