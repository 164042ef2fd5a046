# SPDX-License-Identifier: MIT
"""What `import amdgpu_hw` offers."""

from __future__ import annotations

import pytest

import amdgpu_hw


def test_every_exported_name_exists() -> None:
    """The lazy exports and the list of them agree."""
    for name in amdgpu_hw.__all__:
        assert getattr(amdgpu_hw, name) is not None
    assert sorted(amdgpu_hw.__all__) == sorted(amdgpu_hw._MODULE_OF)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """hasattr() and typos behave as with any module."""
    with pytest.raises(AttributeError, match="nonsense"):
        _ = amdgpu_hw.nonsense
