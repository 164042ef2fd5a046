# SPDX-License-Identifier: MIT
"""amdgpu_vm.c and amdgpu_vm.h: address spaces. ``types`` has the structures, ``mapping`` the tree, ``vm`` updates."""
