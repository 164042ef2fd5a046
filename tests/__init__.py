# SPDX-License-Identifier: MIT
"""The tests."""

BOOTING = "tests/guest/machine/"
"""The tests that boot guest machines: one after the other, as each keeps several processors busy."""
