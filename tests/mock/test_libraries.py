# SPDX-License-Identifier: MIT
"""The libraries that are loaded, and of which version they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amdgpu_hw import libraries


@pytest.mark.parametrize(
    ("file", "version"),
    [("libdrm_amdgpu.so.1.124.0", "2.4.124"), ("libdrm.so.2.134.0", "2.4.134"), ("libdrm_amdgpu.so.1.0.0", "")],
)
def test_the_version_is_that_of_the_loaded_file(
    file: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the distribution has installed: LD_LIBRARY_PATH may lead elsewhere."""
    maps = tmp_path / "maps"
    line = f"7f0000-7f1000 r-xp 00000000 fe:00 123                     {tmp_path}/a dir/{file}\n"
    maps.write_text("55e0-55e1 r--p 00000000 fe:00 7    /usr/bin/python3\n7ffc-7ffd rw-p 0 00:00 0 [stack]\n" + line)
    monkeypatch.setattr(libraries, "_MAPS", maps)
    found = libraries.loaded_library(file.partition(".")[0] + ".so")
    assert found is not None
    assert found == (f"{tmp_path}/a dir/{file}", version)
    assert libraries.loaded_library("libnothing.so") is None


def test_this_process_has_loaded_what_it_says() -> None:
    """The real thing: a file that is there."""
    import amdgpu_hw.libdrm.core  # noqa: F401

    found = libraries.loaded_library("libdrm_amdgpu.so")
    assert found is not None
    assert os.path.exists(found.path)
