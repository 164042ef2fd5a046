# SPDX-License-Identifier: MIT
"""The guest machine: a real kernel with its own amdgpu driver in QEMU, on a modelled GPU behind vfio-user."""
