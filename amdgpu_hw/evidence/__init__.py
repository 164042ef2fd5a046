# SPDX-License-Identifier: MIT
"""What the machine tells beside the ioctls: scheduler trace, slabs, mappings, module parameters, damage."""
