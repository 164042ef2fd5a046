# SPDX-License-Identifier: MIT
"""drivers/dma-buf."""
