# SPDX-License-Identifier: MIT
"""Errors of GEM_VA: each check of KERNEL.md 3.2 alone, and each before the next one, on every kernel."""

from __future__ import annotations

from tests.mock.kernel.amdgpu_client import Client, boot_gpu
from tests.mock.kernel.errno_matrix import check, matrix
from tests.mock.kernel.errnos import Row, gem_va


@matrix(gem_va.ROWS)
def test_3_2_errors_of_gem_va(variant: str, row: Row) -> None:
    """Each row ends with the errno of the first check that fails, and the tree has changed only if none did."""
    client = Client(boot_gpu(variant=variant))
    before = len(client.fpriv.vm.va)
    check(client, row)
    if row.errno:
        assert len(client.fpriv.vm.va) == before
