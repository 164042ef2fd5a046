# SPDX-License-Identifier: MIT
"""The kernel's ABI, declared once: the device layer asks with it, the mock kernel answers with it.

Structs and ioctls are data (`amdgpu_hw.uapi.layout`); constants keep the kernel's names. `amdgpu_hw.libdrm.build`
checks all of it against the headers installed on the machine when the bindings are compiled.
"""
