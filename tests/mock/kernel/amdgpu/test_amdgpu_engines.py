# SPDX-License-Identifier: MIT
"""The driver end to end, in process: buffers, mappings, IBs on every engine, and what they leave in memory."""

from __future__ import annotations

import struct

import pytest

from amdgpu_hw.mock.variants import VARIANTS
from amdgpu_hw.packets import compute
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi.amdgpu_info import AMDGPU_INFO_GPUVM_FAULT, INFO_GPUVM_FAULT
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, PAGE, SDMA, Client, boot_gpu
from tests.mock.kernel.errnos import IB_AREA

TARGET_VA = 0x200000
CODE_VA = 0x300000
ENGINES = [
    ("navi31", GFX),
    ("navi31", COMPUTE),
    ("navi31", SDMA),
    ("navi21", GFX),
    ("navi21", COMPUTE),
    ("navi21", SDMA),
    ("mi300x", COMPUTE),
    ("mi300x", SDMA),
]


def write_packets(client: Client, ip: int, va: int, value: int) -> list[int]:
    """Packets that write one dword."""
    packets = client.packets(ip)
    words: list[int] = packets.write(va, [value]) if ip == SDMA else packets.write_data(va, [value])
    return words


@pytest.mark.parametrize(("gpu", "ip"), ENGINES)
@pytest.mark.parametrize("domain", [drm.AMDGPU_GEM_DOMAIN_GTT, drm.AMDGPU_GEM_DOMAIN_VRAM])
def test_an_ib_writes_to_a_mapped_buffer(gpu: str, ip: int, domain: int) -> None:
    """Create, map, submit, wait: the value is in the buffer, in system memory and in VRAM, and nothing faulted."""
    client = Client(boot_gpu(gpu))
    target = client.bo(PAGE, domain)
    client.map(target, TARGET_VA)
    client.wait(ip, client.submit(ip, write_packets(client, ip, TARGET_VA + 8, 0xCAFE0001)))
    assert client.read(target, 12) == bytes(8) + struct.pack("<I", 0xCAFE0001)
    assert client.info(AMDGPU_INFO_GPUVM_FAULT, 16) == bytes(16)


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_every_kernel_variant_runs_a_submission(variant: str) -> None:
    """The same steps work on each kernel, and leave no oops."""
    client = Client(boot_gpu("navi31", variant))
    target = client.bo(PAGE, drm.AMDGPU_GEM_DOMAIN_VRAM)
    client.map(target, TARGET_VA)
    client.wait(SDMA, client.submit(SDMA, write_packets(client, SDMA, TARGET_VA, 7)))
    assert client.read(target, 4) == struct.pack("<I", 7)
    client.caller.close(client.fd).settle()
    assert client.adev.kernel.oopses == 0, client.log()


def test_two_rings_see_each_others_writes() -> None:
    """A compute job waits for memory that an SDMA job writes afterwards."""
    client = Client()
    flag = client.bo()
    client.map(flag, TARGET_VA)
    pm4 = client.packets(COMPUTE)
    waiter = client.submit(COMPUTE, pm4.wait_reg_mem(TARGET_VA, 1) + pm4.write_data(TARGET_VA + 4, [2]))
    assert client.busy(COMPUTE, waiter), "the job ended although the memory it waits for has not changed"
    client.submit(SDMA, client.packets(SDMA).write(TARGET_VA, [1]))
    client.wait(COMPUTE, waiter)
    assert client.read(flag, 8) == struct.pack("<II", 1, 2)


def test_an_unmapped_access_is_recorded_and_the_job_goes_on() -> None:
    """A fault ends nothing: the rest of the IB runs, INFO GPUVM_FAULT has the page, the log says who it was."""
    client = Client()
    target = client.bo()
    client.map(target, TARGET_VA)
    words = write_packets(client, SDMA, 0x7770_0123_4, 1) + write_packets(client, SDMA, TARGET_VA, 2)
    client.wait(SDMA, client.submit(SDMA, words))
    assert client.read(target, 4) == struct.pack("<I", 2)
    address, status, hub = INFO_GPUVM_FAULT.unpack(client.info(AMDGPU_INFO_GPUVM_FAULT, 16))
    assert address == 0x7770_0123_4 & ~0xFFF
    assert hub == 0
    assert status >> 18 & 1 == 1, "the status does not say that it was a write"
    assert status >> 20 & 0xF in range(1, 8), "the VMID is none of those for user jobs"
    log = client.log()
    assert "[gfxhub] page fault (src_id:0 ring:" in log
    assert f"in page starting at address 0x{address:016x}" in log
    assert f"pid {client.caller.pid}" in log


@pytest.mark.parametrize(
    ("gpu", "words"),
    [
        ("navi31", "Faulty UTCL2 client ID: TCP (0x8)"),
        ("mi300x", "Faulty UTCL2 client ID: TCP (0x8)"),
        ("polaris10", "read from 'TC0' (0x54433000)"),
    ],
)
def test_a_shaders_fault_names_the_cache_that_it_reads_through(gpu: str, words: str) -> None:
    """Not the command processor that has started it."""
    client = Client(boot_gpu(gpu))
    code = compute.copy_shader(client.adev.identity.gc_version)
    assert code is not None
    program, target = client.bo(), client.bo()
    client.map(program, CODE_VA)
    client.map(target, TARGET_VA)
    client.write(program, struct.pack(f"<{len(code)}I", *code))
    arguments = (0x777000, 0, TARGET_VA, 0)
    dispatch = client.packets(COMPUTE).dispatch(1, compute.COPY_THREADS, CODE_VA, arguments)
    client.wait(COMPUTE, client.submit(COMPUTE, dispatch))
    assert words in client.log()


def test_sdma_of_mi300x_faults_on_the_mmhub() -> None:
    """SDMA 4.x sits behind the multi-media hub: INFO and log name that one, the log in the words of gfx9."""
    client = Client(boot_gpu("mi300x"))
    client.wait(SDMA, client.submit(SDMA, write_packets(client, SDMA, 0x777000, 1)))
    _, status, hub = INFO_GPUVM_FAULT.unpack(client.info(AMDGPU_INFO_GPUVM_FAULT, 16))
    assert hub == 1
    assert status >> 20 & 0xF in (1, 2), "MI300X leaves only the VMIDs 1 and 2 to kernel queues"
    assert "[mmhub0] no-retry page fault" in client.log()


def test_a_fault_is_recorded_in_its_own_vm_only_and_for_ever() -> None:
    """GPUVM_FAULT is per address space, and a later good job does not clear it."""
    guilty = Client()
    other = Client(guilty.adev, pid=guilty.caller.pid)
    guilty.wait(SDMA, guilty.submit(SDMA, write_packets(guilty, SDMA, 0x777000, 1)))
    guilty.wait(SDMA, guilty.submit(SDMA))
    other.wait(SDMA, other.submit(SDMA))
    assert INFO_GPUVM_FAULT.unpack(guilty.info(AMDGPU_INFO_GPUVM_FAULT, 16))[0] == 0x777000
    assert other.info(AMDGPU_INFO_GPUVM_FAULT, 16) == bytes(16)


def test_many_faults_do_not_flood_the_log() -> None:
    """printk_ratelimit: ten reports in five seconds, however many accesses fail."""
    client = Client()
    words = [word for page in range(40) for word in write_packets(client, SDMA, 0x777000 + page * PAGE, 1)]
    client.wait(SDMA, client.submit(SDMA, words))
    assert client.log().count("page fault") == 10
    assert INFO_GPUVM_FAULT.unpack(client.info(AMDGPU_INFO_GPUVM_FAULT, 16))[0] == 0x777000 + 39 * PAGE


def test_page_tables_of_mi300x_are_written_through_the_page_queue() -> None:
    """GPUs with SDMA page queues keep page-table jobs off the rings that clients use."""
    adev = boot_gpu("mi300x")
    page_queues = {ring.sched for ring in adev.rings if ring.no_user_submission}
    assert set(adev.vm_pte_scheds) == page_queues
    assert [ring.name for ring in adev.rings if ring.no_user_submission] == ["page0.0", "page0.1"]
    client = Client(adev)
    client.settle()
    assert sum(ring.fence_drv.sync_seq for ring in adev.rings if ring.no_user_submission) > 0
    assert client.read(client._ib_bo, IB_AREA) == bytes(IB_AREA)


def test_page_tables_of_navi31_are_written_by_the_sdma_rings() -> None:
    """RDNA has no page queues: page-table jobs share the rings with user submissions."""
    adev = boot_gpu("navi31")
    assert [sched.name for sched in adev.vm_pte_scheds] == ["sdma0", "sdma1"]
