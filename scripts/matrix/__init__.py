# SPDX-License-Identifier: MIT
"""The parts of `scripts/bug_matrix.py`; machines and farms of them also serve `scripts/mutation.py`."""
