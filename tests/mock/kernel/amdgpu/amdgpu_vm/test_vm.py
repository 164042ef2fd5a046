# SPDX-License-Identifier: MIT
"""What a change of generation (VRAM was lost) has written again (amdgpu_vm_bo_reset_state_machine)."""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu_model.translation import EntryKind
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.recover import _lose_vram
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import vm as amdgpu_vm
from tests.mock.kernel.vm_fixture import GTT, MAP, PRT, RW, Machine, X, Y, Z


@pytest.mark.parametrize(("variant", "everything"), [("6.12", True), ("base", True), ("7.3", False)])
def test_mappings_that_come_back_after_a_reset(variant: str, everything: bool) -> None:
    """7.3 puts ordinary buffers on the list only: always-valid ones and PRT mappings stay lost."""
    machine = Machine(variant)
    client = machine.client()
    ordinary, always_valid = client.bo(domain=GTT), client.bo(domain=GTT, always_valid=True)
    client.do(MAP, X, ordinary, flags=RW)
    client.do(MAP, Y, always_valid, flags=RW)
    client.do(MAP, Z, flags=PRT)
    client.submit(bos=(ordinary,))
    _lose_vram(machine.adev)
    assert not client.sees(X, ordinary)
    amdgpu_vm._amdgpu_vm_bo_reset_state_machine(client.vm)
    client.submit(bos=(ordinary,))
    assert client.sees(X, ordinary)
    assert client.sees(Y, always_valid) == everything
    assert (client.walk(Z).kind is EntryKind.PRT) == everything
