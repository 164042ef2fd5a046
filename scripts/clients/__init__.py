# SPDX-License-Identifier: MIT
"""The parts of `scripts/run_clients.py`."""
