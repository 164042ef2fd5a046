# SPDX-License-Identifier: MIT
"""Tests of the guest machine's host side; those that boot one need what ``scripts/setup guest`` gets."""
