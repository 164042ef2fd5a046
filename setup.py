# SPDX-License-Identifier: MIT
"""The compiled parts; everything else about the package is in pyproject.toml."""

from setuptools import Extension, setup

setup(
    cffi_modules=[
        "amdgpu_hw/libdrm/build.py:ffibuilder",
        "amdgpu_hw/mock/build_transport.py:ffibuilder",
        "amdgpu_hw/mock/build_umockdev.py:ffibuilder",
    ],
    ext_modules=[
        # Not a Python module: a library for LD_PRELOAD that is built and installed like one.
        Extension(
            "amdgpu_hw.mock._preload",
            sources=[
                "amdgpu_hw/mock/preload.c",
                "amdgpu_hw/mock/preload_call.c",
                "amdgpu_hw/mock/preload_channel.c",
                "amdgpu_hw/mock/preload_exec.c",
                "amdgpu_hw/mock/preload_fdinfo.c",
                "amdgpu_hw/mock/preload_path.c",
                "amdgpu_hw/mock/preload_stat.c",
                "amdgpu_hw/mock/preload_tracefs.c",
            ],
            depends=[f"amdgpu_hw/mock/{name}.h" for name in ("preload", "preload_private", "relax", "wire")],
            extra_compile_args=["-std=gnu17", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
        ),
    ],
)
