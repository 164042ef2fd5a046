# SPDX-License-Identifier: MIT
"""What is asked of libumockdev, and in which order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.mock.testbed import umockdev


def test_the_environment_does_not_grow_behind_umockdevs_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """UMOCKDEV_DIR is there before umockdev_testbed_new sets it: that ended 1 of 10,000 mock kernels with SIGSEGV."""
    ffi, _ = umockdev._library()
    environments = []

    class Library:
        """Looks at the environment where libumockdev would start its thread, and then set the variable."""

        def umockdev_testbed_new(self) -> None:
            environments.append(dict(os.environ))

        def umockdev_testbed_get_root_dir(self, _testbed: None) -> Any:
            return ffi.new("char[]", b"/root")

        def g_free(self, _memory: Any) -> None:
            """Belongs to the test."""

    for name in ("TMPDIR", "UMOCKDEV_DIR"):
        monkeypatch.setenv(name, "")  # so that the test leaves both as they were
        monkeypatch.delenv(name)
    monkeypatch.setattr(umockdev, "_library", lambda: (ffi, Library()))
    assert umockdev.Testbed(tmp_path).root == Path("/root")
    assert environments[0]["UMOCKDEV_DIR"] == environments[0]["TMPDIR"] == str(tmp_path)
