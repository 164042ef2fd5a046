# SPDX-License-Identifier: MIT
"""The library that shows a machine's device nodes to a program: C, loaded with LD_PRELOAD."""
