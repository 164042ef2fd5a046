# SPDX-License-Identifier: MIT
"""radeonsi, Mesa's OpenGL driver: eglinfo, and a context of which the GPU writes timestamps and copies a buffer."""

import ctypes.util
import re
import sys
from pathlib import Path

import pytest

from .running import RunClient, program

NAMES = {
    "polaris10": r"AMD Radeon RX 580 Series \((radeonsi, )?polaris10,",
    "vega10": r"AMD Radeon RX Vega \((radeonsi, )?vega10,",
    "navi10": r"AMD Radeon RX 5700 XT \((radeonsi, )?navi10,",
    "navi21": r"AMD Radeon RX 6800 \((radeonsi, )?navi21,",
    "navi31": r"\((gfx1100|radeonsi, navi31),",
}
"""What radeonsi calls these GPUs; 22.3 and libdrm 2.4.114 had no names of GFX11 yet."""

COPY_SIZE = 1024
"""Bytes; radeonsi copies larger buffers with a shader, and the mock GPU runs none."""

SHADERS_FROM = 24
"""The Mesa version from which radeonsi may copy small buffers with a shader too (22.3 does not, 25.0 does)."""

COPIES_WITHOUT = ("vega10",)
"""Where newer versions still leave a copy of `COPY_SIZE` to CP DMA (ac_prepare_cs_clear_copy_buffer)."""

NEEDS_EGL = pytest.mark.skipif(
    ctypes.util.find_library("EGL") is None,
    reason="the EGL library (Debian: libegl1) is not installed; scripts/test installs it",
)
PROGRAM = Path(__file__).with_name("gl_buffer.py")


def test_eglinfo_reaches_radeonsi(run_client: RunClient) -> None:
    """Mesa loads radeonsi for the GPU on the platforms that need no desktop."""
    # It ends with the number of platforms it could not use: those of a desktop.
    outcome = run_client("navi21", program("mesa-utils-bin", "eglinfo", "eglinfo.x86_64-linux-gnu"), status=None)
    drivers = {}
    for part in re.split(r"^(?=\w+ platform:$)", outcome.output, flags=re.MULTILINE):
        drivers[part.split()[0]] = re.findall(r"^EGL driver name: (.*)$", part, re.MULTILINE)
    assert drivers["GBM"] == drivers["Surfaceless"] == ["radeonsi"], outcome
    assert drivers["Device"][0] == "radeonsi", outcome


@NEEDS_EGL
@pytest.mark.parametrize("gpu", NAMES)
def test_an_opengl_context_names_the_gpu_and_has_its_clock(run_client: RunClient, gpu: str) -> None:
    """radeonsi makes a context, names the GPU, and the GPU writes its timestamps in order."""
    _, renderer, stamped = run_client(gpu, sys.executable, PROGRAM).lines[-3:]
    assert re.match(rf"renderer: .*{NAMES[gpu]}", renderer), renderer
    assert stamped == "timestamps: in order"


@NEEDS_EGL
@pytest.mark.parametrize("gpu", NAMES)
def test_the_gpu_of_an_opengl_context_copies_a_buffer(run_client: RunClient, gpu: str) -> None:
    """Every byte, where radeonsi needs no shader for that."""
    version = re.search(r"^version: .* Mesa (\d+)\.", run_client(gpu, sys.executable, PROGRAM).output, re.MULTILINE)
    assert version, "the version does not name Mesa"
    if int(version[1]) >= SHADERS_FROM and gpu not in COPIES_WITHOUT:
        pytest.skip(f"radeonsi of Mesa {version[1]} copies with a shader on this GPU, and the mock GPU runs none")
    assert run_client(gpu, sys.executable, PROGRAM, str(COPY_SIZE)).lines[-1] == f"copied: {COPY_SIZE}"
