# SPDX-License-Identifier: MIT
"""The parts of scripts/driver_mutants.py."""
