# SPDX-License-Identifier: MIT
"""The parts of scripts/driver_coverage.py."""
