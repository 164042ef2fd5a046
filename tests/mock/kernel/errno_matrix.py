# SPDX-License-Identifier: MIT
"""Tables of ioctls that must fail: who calls what with which arguments, and the errno the kernel gives first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import pytest

from amdgpu_hw.mock.kernel.errno_ import errno_name
from amdgpu_hw.uapi.layout import Ioctl

Argument: TypeAlias = "int | bytes | Callable[[Any], int]"
"""A value, or a function that makes it with the client's help (a handle, an address in its memory)."""

BAD = 0x10
"""An address that nothing is mapped at."""


class HasFails(Protocol):
    """What a table can be run against."""

    def fails(self, ioctl: Ioctl, **fields: Any) -> int:
        """The errno of an ioctl, 0 when it succeeds."""


@dataclass(frozen=True)
class Row:
    """One call: what is wrong with it, and what it ends with on the kernels it is listed for."""

    why: str
    ioctl: Ioctl
    errno: int
    variants: tuple[str, ...]
    fields: Mapping[str, Argument]

    def check(self, client: HasFails) -> None:
        """Make the call."""
        fields = {name: value(client) if callable(value) else value for name, value in self.fields.items()}
        found = client.fails(self.ioctl, **fields)
        assert found == self.errno, (
            f"{self.ioctl.name} ({self.why}): {errno_name(found)} instead of {errno_name(self.errno)}, fields {fields}"
        )


def row(why: str, ioctl: Ioctl, errno: int, *variants: str, **fields: Argument) -> Row:
    """A row of a table; without variants it is for ``base`` only."""
    return Row(why, ioctl, errno, variants or ("base",), fields)


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
