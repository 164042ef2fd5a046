# SPDX-License-Identifier: MIT
"""The mock kernel: one file per file of the kernel that it models, functions under the kernel's names."""
