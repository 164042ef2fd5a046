# SPDX-License-Identifier: MIT
"""The words of the tests in tests/hw: the behaviour a test proves, work held by a gate, and what must be seen."""
