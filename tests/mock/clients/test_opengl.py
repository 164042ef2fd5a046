# SPDX-License-Identifier: MIT
"""radeonsi, Mesa's OpenGL driver: eglinfo, and a context of which the GPU copies a buffer."""

import ctypes.util
import re
import sys
from pathlib import Path

import pytest

from .running import RunClient, program

NAMES = {
    "polaris10": "AMD Radeon RX 580 Series (polaris10,",
    "vega10": "AMD Radeon RX Vega (vega10,",
    "navi10": "AMD Radeon RX 5700 XT (navi10,",
    "navi21": "AMD Radeon RX 6800 (navi21,",
    "navi31": "(gfx1100,",
}
"""What radeonsi 22.3 calls these GPUs; libdrm 2.4.114 has no marketing names of GFX11 yet."""

COPY_SIZE = 4096
"""Bytes; radeonsi copies larger buffers with a shader, and the mock GPU runs none."""


def test_eglinfo_reaches_radeonsi(run_client: RunClient) -> None:
    """Mesa loads radeonsi for the GPU on the platforms that need no desktop."""
    # It ends with the number of platforms it could not use: those of a desktop.
    outcome = run_client("navi21", program("mesa-utils-bin", "eglinfo", "eglinfo.x86_64-linux-gnu"), status=None)
    drivers = {}
    for part in re.split(r"^(?=\w+ platform:$)", outcome.output, flags=re.MULTILINE):
        drivers[part.split()[0]] = re.findall(r"^EGL driver name: (.*)$", part, re.MULTILINE)
    assert drivers["GBM"] == drivers["Surfaceless"] == ["radeonsi"], outcome
    assert drivers["Device"][0] == "radeonsi", outcome


@pytest.mark.skipif(
    ctypes.util.find_library("EGL") is None,
    reason="the EGL library (Debian: libegl1) is not installed; scripts/test installs it",
)
@pytest.mark.parametrize("gpu", NAMES)
def test_an_opengl_context_names_the_gpu_and_copies_a_buffer(run_client: RunClient, gpu: str) -> None:
    """radeonsi makes a context, names the GPU, and the GPU copies every byte."""
    outcome = run_client(gpu, sys.executable, Path(__file__).with_name("gl_buffer.py"), str(COPY_SIZE))
    renderer, copied = outcome.lines[-2:]
    assert renderer.startswith("renderer: ")
    assert NAMES[gpu] in renderer, outcome
    assert copied == f"copied: {COPY_SIZE}"
