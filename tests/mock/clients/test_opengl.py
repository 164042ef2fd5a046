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

COPY_SIZES = (1024, 100_003)
"""Bytes. radeonsi copies the larger one with a shader everywhere, since 24.0 both on some GPUs; the last bytes of the
larger one are no whole dword, which other instructions store."""

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
@pytest.mark.parametrize("size", COPY_SIZES)
@pytest.mark.parametrize("gpu", NAMES)
def test_the_gpu_of_an_opengl_context_copies_a_buffer(run_client: RunClient, gpu: str, size: int) -> None:
    """Every byte, with CP DMA and with shaders."""
    assert run_client(gpu, sys.executable, PROGRAM, str(size)).lines[-1] == f"copied: {size}"
