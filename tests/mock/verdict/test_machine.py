# SPDX-License-Identifier: MIT
"""REAL GPU or MOCK: who says so, and that it is never the wrong one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from amdgpu_hw.verdict.machine import ENVIRONMENT, software_versions, this_machine


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a real machine."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.delenv("AMDGPU_HW_MOCK", raising=False)


def test_without_a_word_it_is_a_real_gpu() -> None:
    """Nobody sets the variables on a real machine."""
    assert this_machine().words == "REAL GPU"


def test_the_launcher_says_that_it_is_a_mock(monkeypatch: pytest.MonkeyPatch) -> None:
    """And which, so that the report can tell."""
    monkeypatch.setenv(ENVIRONMENT, '{"gpus": ["navi31"], "kernel": "base"}')
    machine = this_machine()
    assert machine.words == "MOCK"
    assert "navi31" in machine.sentence
    assert "base" in machine.sentence
    assert "verdict on the harness" in machine.sentence


def test_a_planted_bug_is_never_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict on a wrong kernel that does not say so would be quoted as one on a right one."""
    monkeypatch.setenv(ENVIRONMENT, '{"gpus": ["navi31"], "kernel": "base", "bugs": {"m05_flag_ignored": "Ignored."}}')
    machine = this_machine()
    assert "PLANTED BUG (m05_flag_ignored)" in machine.sentence
    assert machine.to_json()["mock_bugs"] == {"m05_flag_ignored": "Ignored."}


def test_module_parameters_are_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same kernel behaves in another way with them."""
    parameters = '{"vm_update_mode": 3, "debug_mask": 4}'
    monkeypatch.setenv(ENVIRONMENT, f'{{"gpus": ["navi31"], "kernel": "base", "parameters": {parameters}}}')
    machine = this_machine()
    assert "on mock kernel base, amdgpu.vm_update_mode=0x3, amdgpu.debug_mask=0x4: a verdict" in machine.sentence
    assert machine.to_json()["mock_parameters"] == {"vm_update_mode": 3, "debug_mask": 4}


@pytest.mark.parametrize(("name", "value"), [(ENVIRONMENT, "nonsense"), (ENVIRONMENT, "[1]"), ("AMDGPU_HW_MOCK", "/x")])
def test_a_mock_is_never_reported_as_a_real_gpu(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Not when the description is unreadable, nor when there is only the transport's own variable."""
    monkeypatch.setenv(name, value)
    assert this_machine().words == "MOCK"


def test_versions_name_what_lies_under_the_tests() -> None:
    """Our own, libdrm's, the interpreter's."""
    assert {"amdgpu_hw", "libdrm", "python", "pytest"} <= software_versions().keys()


def test_the_libdrm_that_is_loaded_is_named(tmp_path: Path) -> None:
    """Not the installed one: LD_LIBRARY_PATH may say otherwise."""
    script = (
        "import amdgpu_hw.libdrm.core\nfrom amdgpu_hw.libraries import loaded_library\n"
        "from amdgpu_hw.verdict import machine\n"
        "print(loaded_library('libdrm_amdgpu.so').path)\nprint(machine.software_versions()['libdrm'])"
    )

    def told(directory: Path | None) -> list[str]:
        environment = os.environ | ({"LD_LIBRARY_PATH": str(directory)} if directory else {})
        command = [sys.executable, "-c", script]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return result.stdout.splitlines()

    installed, version = told(None)
    assert re.fullmatch(r"2\.4\.\d+\S*", version)
    other = tmp_path / "libdrm_amdgpu.so.1.199.0"
    shutil.copy(installed, other)
    (tmp_path / "libdrm_amdgpu.so.1").symlink_to(other.name)
    assert told(tmp_path) == [str(other), f"2.4.199 ({other})"]
    other.unlink()
    shutil.copy(installed, tmp_path / "libdrm_amdgpu.so.1.0.0")
    (tmp_path / "libdrm_amdgpu.so.1").unlink()
    (tmp_path / "libdrm_amdgpu.so.1").symlink_to("libdrm_amdgpu.so.1.0.0")
    assert told(tmp_path)[1].startswith("of unknown version, ")
    (tmp_path / "pkgconfig").mkdir()
    (tmp_path / "pkgconfig" / "libdrm_amdgpu.pc").write_text("Name: libdrm_amdgpu\nVersion: 2.4.77\n")
    assert told(tmp_path)[1].startswith("2.4.77 (")
