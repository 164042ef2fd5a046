# SPDX-License-Identifier: MIT
"""ttm_resource.c: managers and their LRUs (`resource`), and emptying one (`evict`)."""
