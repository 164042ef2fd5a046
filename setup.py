# SPDX-License-Identifier: MIT
"""The compiled parts, and the packages that are not where their names say; the rest is in pyproject.toml."""

from setuptools import Extension, find_packages, setup

PRELOAD = "amdgpu_hw/mock/preload"
TRANSPORT = "amdgpu_hw/mock/transport"

ELSEWHERE = {
    "amdgpu_hw.suite": "tests/hw",
    "amdgpu_hw.expectations": "expectations",
}
"""Packages that lie beside amdgpu_hw in a checkout, and in it once they are installed (`amdgpu_hw.shipped`)."""

setup(
    packages=[*find_packages(include=["amdgpu_hw", "amdgpu_hw.*"]), *ELSEWHERE],
    package_dir=ELSEWHERE,
    cffi_modules=[
        "amdgpu_hw/libdrm/build.py:ffibuilder",
        f"{TRANSPORT}/build.py:ffibuilder",
        "amdgpu_hw/mock/testbed/build.py:ffibuilder",
    ],
    ext_modules=[
        # Not a Python module: a library for LD_PRELOAD that is built and installed like one. It calls nothing of
        # Python's, so that one file serves every version.
        Extension(
            "amdgpu_hw.mock.preload._preload",
            sources=[
                f"{PRELOAD}/{name}.c"
                for name in ("preload", "call", "channel", "exec", "fdinfo", "path", "stat", "tracefs")
            ],
            depends=[
                *(f"{PRELOAD}/{name}.h" for name in ("preload", "private")),
                *(f"{TRANSPORT}/{name}.h" for name in ("relax", "wire")),
            ],
            extra_compile_args=["-std=gnu17", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
            py_limited_api=True,
        ),
    ],
    # CFFI and the above keep to the stable ABI: one wheel serves every Python from this one on.
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
