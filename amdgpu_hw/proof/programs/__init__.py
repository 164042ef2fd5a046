# SPDX-License-Identifier: MIT
"""Drawn programs of GEM_VA operations: what each must do, by a naive oracle, and a window of addresses for them."""
