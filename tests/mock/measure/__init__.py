# SPDX-License-Identifier: MIT
"""Tests of what measures, judges and shows measurements."""
