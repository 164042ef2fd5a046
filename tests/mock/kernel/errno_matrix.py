# SPDX-License-Identifier: MIT
"""Tests of tables of calls that must fail (`tests.mock.kernel.errnos`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import pytest

from amdgpu_hw.mock.kernel.errno_ import errno_name
from amdgpu_hw.uapi.layout import Ioctl
from tests.mock.kernel.errnos import Row

__all__ = ("HasFails", "check", "matrix")


class HasFails(Protocol):
    """What a table can be run against."""

    def fails(self, ioctl: Ioctl, /, **fields: Any) -> int:
        """The errno of an ioctl, 0 when it succeeds."""


def check(client: HasFails, row: Row) -> None:
    """Make the call of a row."""
    fields = row.arguments(client)
    found = client.fails(row.ioctl, **fields)
    assert found == row.errno, (
        f"{row.ioctl.name} ({row.why}): {errno_name(found)} instead of {errno_name(row.errno)}, fields {fields}"
    )


def matrix(rows: Iterable[Row]) -> pytest.MarkDecorator:
    """Run a test for every row on each of its kernels: parameters ``variant`` and ``row``."""
    return pytest.mark.parametrize(
        ("variant", "row"),
        [
            pytest.param(variant, entry, id=f"{variant}-{entry.ioctl.name.removeprefix('DRM_IOCTL_')}-{entry.why}")
            for entry in rows
            for variant in entry.variants
        ],
    )
