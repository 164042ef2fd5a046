# SPDX-License-Identifier: MIT
"""Tables of ioctls that must fail: who calls what with which arguments, and the errno the kernel gives first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from amdgpu_hw.mock.kernel.errno_ import errno_name
from amdgpu_hw.proof import errnos
from amdgpu_hw.proof.errnos import BAD, Argument
from amdgpu_hw.uapi.layout import Ioctl

__all__ = ("BAD", "Argument", "HasFails", "Row", "matrix", "on", "row")


class HasFails(Protocol):
    """What a table can be run against."""

    def fails(self, ioctl: Ioctl, **fields: Any) -> int:
        """The errno of an ioctl, 0 when it succeeds."""


@dataclass(frozen=True)
class Row(errnos.Row):
    """One call: what is wrong with it, and what it ends with on the kernels it is listed for."""

    variants: tuple[str, ...]

    def check(self, client: HasFails) -> None:
        """Make the call."""
        fields = self.arguments(client)
        found = client.fails(self.ioctl, **fields)
        assert found == self.errno, (
            f"{self.ioctl.name} ({self.why}): {errno_name(found)} instead of {errno_name(self.errno)}, fields {fields}"
        )


def row(why: str, ioctl: Ioctl, errno: int, *variants: str, **fields: Argument) -> Row:
    """A row of a table; without variants it is for ``base`` only."""
    return Row(why, ioctl, (errno,), fields, variants or ("base",))


def on(variants: Iterable[str], rows: Iterable[errnos.Row]) -> tuple[Row, ...]:
    """Rows that hold on every kernel, for these."""
    return tuple(Row(entry.why, entry.ioctl, entry.errnos, entry.fields, tuple(variants)) for entry in rows)


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
