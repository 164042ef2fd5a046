# SPDX-License-Identifier: MIT
"""The console of a running mock machine: looks into its kernel and GPUs, and does things to them."""
