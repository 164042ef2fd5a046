# SPDX-License-Identifier: MIT
"""The floor below the device layer: libdrm and libdrm_amdgpu, called through one CFFI module.

Only the modules in here touch `_libdrm` and its cdata. They take and return plain Python values or small objects
that keep a libdrm handle to themselves, and turn every failure into `amdgpu_hw.errors.DrmError`. They check no
arguments beyond what C needs; that is the device layer's job.
"""
