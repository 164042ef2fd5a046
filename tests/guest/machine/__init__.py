# SPDX-License-Identifier: MIT
"""Tests that boot guest machines, one after the other: tests/conftest.py sees to that."""
