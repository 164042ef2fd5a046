# SPDX-License-Identifier: MIT
"""Results: what each case showed, the file that keeps it, and the table that people read."""
