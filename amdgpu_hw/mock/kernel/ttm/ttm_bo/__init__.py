# SPDX-License-Identifier: MIT
"""ttm_bo.c: a buffer and its memory (`bo`), and finding memory for it by evicting others (`validate`)."""
