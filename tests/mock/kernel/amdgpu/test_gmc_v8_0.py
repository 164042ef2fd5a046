# SPDX-License-Identifier: MIT
"""VM faults of GFX8: how the driver reports them, and when the device-wide PRT switch keeps them quiet."""

from __future__ import annotations

import pytest

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import amdgpu_info as info
from tests.mock.kernel.amdgpu_client import COMPUTE, PAGE, SDMA, Client, boot_gpu

UNMAPPED = 0x4000_0000
PRT_VA = 0x5000_0000


@pytest.fixture
def adev() -> AmdgpuDevice:
    """A Polaris10."""
    return boot_gpu("polaris10", "series-fixed")


def last_fault(client: Client) -> dict[str, int | bytes]:
    """INFO GPUVM_FAULT."""
    return info.INFO_GPUVM_FAULT.as_dict(client.info(info.AMDGPU_INFO_GPUVM_FAULT, info.INFO_GPUVM_FAULT.size))


def write_with_cp(client: Client, va: int) -> None:
    """Write a dword from a compute ring."""
    client.wait(COMPUTE, client.submit(COMPUTE, client.packets(COMPUTE).write_data(va, [1])))


def copy_with_sdma(client: Client, va: int, page: int) -> None:
    """Read a dword with the copy engine, into a page of the client's."""
    client.wait(SDMA, client.submit(SDMA, client.packets(SDMA).copy(va, page, 4)))


def map_prt(client: Client, va: int = PRT_VA) -> None:
    """Make a PRT mapping."""
    client.va_op(drm.AMDGPU_VA_OP_MAP, 0, va, PAGE, drm.AMDGPU_VM_PAGE_PRT)
    client.settle()


def unmap_prt(client: Client, va: int = PRT_VA) -> None:
    """Remove it, and let the entries be zeroed."""
    client.va_op(drm.AMDGPU_VA_OP_UNMAP, 0, va, PAGE, drm.AMDGPU_VM_PAGE_PRT)
    client.settle()


def test_fault_is_recorded_with_the_status_of_this_generation(adev: AmdgpuDevice) -> None:
    """VM_CONTEXT1_PROTECTION_FAULT_STATUS: protections, read or write, VMID; the one hub is the graphics hub."""
    client = Client(adev)
    write_with_cp(client, UNMAPPED)
    fault = last_fault(client)
    status = int(fault["status"])
    assert (fault["addr"], fault["vmhub"]) == (UNMAPPED, info.AMDGPU_VMHUB_TYPE_GFX)
    assert (status & 0xFF, status >> 24 & 1) == (0x14, 1)
    assert 1 <= status >> 25 & 0xF <= 7


def test_fault_is_logged_as_gmc_v8_0_does(adev: AmdgpuDevice) -> None:
    """What people search dmesg for."""
    client = Client(adev)
    write_with_cp(client, UNMAPPED)
    log = client.log()
    assert "GPU fault detected: 146 0x00020014" in log
    assert "  VM_CONTEXT1_PROTECTION_FAULT_ADDR   0x00040000" in log
    assert f"pasid {client.fpriv.vm.pasid}) at page 262144, write from 'CPC' (0x43504300)" in log


def test_copy_engine_is_behind_the_same_hub(adev: AmdgpuDevice) -> None:
    """MMHUB came with GFX9."""
    client = Client(adev)
    page = client.bo()
    client.map(page, 0x80_0000)
    copy_with_sdma(client, UNMAPPED, 0x80_0000)
    assert last_fault(client)["vmhub"] == info.AMDGPU_VMHUB_TYPE_GFX
    assert "read from 'SDM0' (0x53444d30)" in client.log()


def test_prt_of_one_process_keeps_faults_of_another_quiet(adev: AmdgpuDevice) -> None:
    """Device-global: an unmapped page is a PRT hole for everybody while anybody has a PRT mapping."""
    victim, other = Client(adev), Client(adev)
    map_prt(other)
    write_with_cp(victim, UNMAPPED)
    assert not last_fault(victim)["addr"]
    assert "what hardware does is not known" in victim.log(), "the CP is no client that the switch is known to cover"
    unmap_prt(other)
    write_with_cp(victim, UNMAPPED)
    assert last_fault(victim)["addr"] == UNMAPPED


def test_copy_engine_faults_in_spite_of_prt(adev: AmdgpuDevice) -> None:
    """SDMA before 4.0 cannot ignore faults, neither on PRT mappings nor elsewhere (PACKETS.md 5.5)."""
    client = Client(adev)
    page = client.bo()
    client.map(page, 0x80_0000)
    map_prt(client)
    copy_with_sdma(client, PRT_VA, 0x80_0000)
    assert last_fault(client)["addr"] == PRT_VA


def test_page_without_permission_faults_in_spite_of_prt(adev: AmdgpuDevice) -> None:
    """The switch is about unmapped pages; a page that is mapped read-only is none."""
    client = Client(adev)
    page = client.bo()
    client.va_op(drm.AMDGPU_VA_OP_MAP, page, 0x80_0000, PAGE, drm.AMDGPU_VM_PAGE_READABLE)
    map_prt(client)
    write_with_cp(client, 0x80_0000)
    assert last_fault(client)["addr"] == 0x80_0000
