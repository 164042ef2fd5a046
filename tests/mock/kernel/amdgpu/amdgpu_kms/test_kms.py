# SPDX-License-Identifier: MIT
"""AMDGPU_INFO, and what happens when a file is opened and closed."""

from __future__ import annotations

import errno
import struct
import time

import pytest

from amdgpu_hw.gpu_model.gpus import gpu_names
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import amdgpu_info as info
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, SDMA, Client, boot_gpu
from tests.mock.kernel.fake_caller import FakeCaller

FW_VERSION = 0x0E
RETURN_WHOLE = 1 << 16


@pytest.fixture(scope="module")
def client() -> Client:
    """A client of a navi31 on the base kernel."""
    return Client()


def u32(data: bytes) -> int:
    """The first dword."""
    return int.from_bytes(data[:4], "little")


# -- the request --------------------------------------------------------------------------------------------------


def test_a_request_without_room_for_a_reply_is_einval(client: Client) -> None:
    """Size 0 and pointer 0 are refused before the query is looked at."""
    request = client.info_request(info.AMDGPU_INFO_ACCEL_WORKING, 4)
    assert client.fails(drm.IOCTL_AMDGPU_INFO, **request | {"return_size": 0}) == errno.EINVAL
    assert client.fails(drm.IOCTL_AMDGPU_INFO, **request | {"return_pointer": 0}) == errno.EINVAL
    assert client.fails(drm.IOCTL_AMDGPU_INFO, **request | {"return_pointer": 0x10}) == errno.EFAULT
    assert client.fails(drm.IOCTL_AMDGPU_INFO, **request | {"query": 0x7F}) == errno.EINVAL


@pytest.mark.parametrize("size", [1, 368, 440, 448, 4096])
def test_a_reply_is_cut_to_what_was_asked_for(client: Client, size: int) -> None:
    """DEV_INFO is asked for with 368 (libdrm 2.4.114), 440 (Mesa 25) and 448 bytes; nothing is written beyond."""
    whole = client.adev.dev_info
    assert len(whole) == 448
    client.reply = client.caller.alloc(b"\xee" * 4096)
    fields = {"return_pointer": client.reply, "return_size": size, "query": info.AMDGPU_INFO_DEV_INFO}
    client.ioctl(drm.IOCTL_AMDGPU_INFO, **fields)
    expected = whole[:size].ljust(4096, b"\xee")
    assert client.caller.copy_from_user(client.reply, 4096) == expected


# -- identity -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gpu", gpu_names())
def test_dev_info_says_what_the_file_says(gpu: str) -> None:
    """Device, family, topology and clocks of each GPU."""
    gpu_client = Client(boot_gpu(gpu))
    identity = gpu_client.adev.identity
    dev = info.INFO_DEVICE.as_dict(gpu_client.info(info.AMDGPU_INFO_DEV_INFO, 448))
    assert (dev["device_id"], dev["pci_rev"], dev["family"]) == (
        identity.pci.device,
        identity.pci.revision,
        identity.chip.family,
    )
    assert dev["external_rev"] == identity.chip.external_rev
    assert dev["gpu_counter_freq"] == identity.clocks.counter
    assert dev["cu_active_number"] == identity.topology.cu_active
    assert dev["ids_flags"] & info.AMDGPU_IDS_FLAGS_GANG_SUBMIT


def test_cu_bitmap_is_laid_out_by_engine_and_array(client: Client) -> None:
    """Navi31: four words for the first two rows, two for the others (PACKETS.md 4.4.9)."""
    dev = info.INFO_DEVICE.as_dict(client.info(info.AMDGPU_INFO_DEV_INFO, 448))
    words = struct.unpack("<16I", dev["cu_bitmap"])
    assert words == (0xFF,) * 8 + (0xFF, 0xFF, 0, 0) * 2


def test_old_kernels_do_not_announce_gang_submission() -> None:
    """The ids flag came with driver version 3.62."""
    old = Client(boot_gpu("navi31", "6.12"))
    dev = info.INFO_DEVICE.as_dict(old.info(info.AMDGPU_INFO_DEV_INFO, 448))
    assert not dev["ids_flags"] & info.AMDGPU_IDS_FLAGS_GANG_SUBMIT


@pytest.mark.parametrize(
    ("gpu", "ip", "version", "alignment", "rings"),
    [
        ("navi31", GFX, (11, 0), (32, 32), 0x1),
        ("navi31", COMPUTE, (11, 0), (32, 32), 0xF),
        ("navi31", SDMA, (6, 0), (256, 4), 0x3),
        ("navi21", SDMA, (5, 2), (256, 4), 0x3),
        ("mi300x", GFX, (9, 4), (32, 32), 0x0),
        ("mi300x", COMPUTE, (9, 4), (32, 32), 0xF),
        ("mi300x", SDMA, (4, 4), (256, 4), 0x3),
    ],
)
def test_hw_ip_info(gpu: str, ip: int, version: tuple[int, int], alignment: tuple[int, int], rings: int) -> None:
    """Version of the block, IB alignments and rings a context can name, by IP."""
    reply = Client(boot_gpu(gpu)).info(info.AMDGPU_INFO_HW_IP_INFO, 40, ip)
    ip_info = info.INFO_HW_IP.as_dict(reply)
    assert (ip_info["hw_ip_version_major"], ip_info["hw_ip_version_minor"]) == version
    assert (ip_info["ib_start_alignment"], ip_info["ib_size_alignment"]) == alignment
    assert ip_info["available_rings"] == rings
    assert ip_info["userq_num_slots"] == 0


def test_absent_ips_answer_with_zeros(client: Client) -> None:
    """Video engines are absent: INFO succeeds with zeros; unknown IPs and instances are EINVAL."""
    for ip in range(3, drm.AMDGPU_HW_IP_NUM):
        assert client.info(info.AMDGPU_INFO_HW_IP_INFO, 40, ip) == bytes(40)
        assert client.info_fails(info.AMDGPU_INFO_HW_IP_COUNT, 4, ip) == errno.EINVAL
    assert client.info_fails(info.AMDGPU_INFO_HW_IP_INFO, 40, drm.AMDGPU_HW_IP_NUM) == errno.EINVAL
    assert client.info_fails(info.AMDGPU_INFO_HW_IP_INFO, 40, GFX, 1) == errno.EINVAL


def test_hw_ip_info_was_shorter_before_6_16() -> None:
    """32 bytes: what lies behind keeps what the caller had there."""
    old = Client(boot_gpu("navi31", "6.12"))
    old.reply = old.caller.alloc(b"\xee" * 40)
    fields = {"return_pointer": old.reply, "return_size": 40, "query": info.AMDGPU_INFO_HW_IP_INFO, "arg0": SDMA}
    old.ioctl(drm.IOCTL_AMDGPU_INFO, **fields)
    assert old.caller.copy_from_user(old.reply, 40)[32:] == b"\xee" * 8


def test_hw_ip_count_is_that_of_the_hardware() -> None:
    """HW_IP_COUNT counts engines, however few rings there are for clients."""
    navi21, mi300x = Client(boot_gpu("navi21")), Client(boot_gpu("mi300x"))
    assert u32(navi21.info(info.AMDGPU_INFO_HW_IP_COUNT, 4, SDMA)) == 4
    assert u32(navi21.info(info.AMDGPU_INFO_HW_IP_COUNT, 4, COMPUTE)) == 1
    assert u32(mi300x.info(info.AMDGPU_INFO_HW_IP_COUNT, 4, COMPUTE)) == 8
    assert u32(mi300x.info(info.AMDGPU_INFO_HW_IP_COUNT, 4, SDMA)) == 16


def test_max_ibs(client: Client) -> None:
    """192 for graphics, 125 for compute, 16 for JPEG, 49 elsewhere."""
    assert struct.unpack("<10I", client.info(info.AMDGPU_INFO_MAX_IBS, 40)) == (
        192,
        125,
        49,
        49,
        49,
        49,
        49,
        49,
        16,
        49,
    )


def test_firmware_versions(client: Client) -> None:
    """Known firmware has a version, firmware of absent blocks 0; wrong types, instances and indices are EINVAL."""
    fw = info.INFO_FIRMWARE
    assert fw.unpack(client.info(FW_VERSION, 8, info.AMDGPU_INFO_FW_GFX_ME)) == (1486, 29)
    assert fw.unpack(client.info(FW_VERSION, 8, info.AMDGPU_INFO_FW_VCE)) == (0, 0)
    assert fw.unpack(client.info(FW_VERSION, 8, info.AMDGPU_INFO_FW_TA, 0, 2)) == (0, 0)
    for args in (
        (0x55,),
        (info.AMDGPU_INFO_FW_GFX_ME, 1),
        (info.AMDGPU_INFO_FW_GFX_MEC, 0, 2),
        (info.AMDGPU_INFO_FW_SDMA, 0, 2),
        (info.AMDGPU_INFO_FW_TA, 0, 1),
    ):
        assert client.info_fails(FW_VERSION, 8, *args) == errno.EINVAL, f"FW_VERSION {args}"


# -- registers, clock, memory -------------------------------------------------------------------------------------


def test_registers_on_the_list_can_be_read(client: Client) -> None:
    """GB_ADDR_CONFIG, which libdrm reads at device init, with and without broadcast."""
    assert u32(client.info(info.AMDGPU_INFO_READ_MMR_REG, 4, 0x263E, 1, 0xFFFFFFFF)) == 0x545
    assert u32(client.info(info.AMDGPU_INFO_READ_MMR_REG, 4, 0x263E, 1, 0xFF00)) == 0x545


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((0x1234, 1, 0xFFFFFFFF), errno.EFAULT),
        ((0x263E, 2, 0xFFFFFFFF), errno.EFAULT),
        ((0x263E, 129, 0xFFFFFFFF), errno.EINVAL),
        ((0x263E, 1, 0xFF04), errno.EINVAL),
        ((0x263E, 1, 0x02FF), errno.EINVAL),
    ],
)
def test_other_registers_cannot(client: Client, args: tuple[int, ...], error: int) -> None:
    """EFAULT off the list, EINVAL for too many or for an engine or array there is not."""
    assert client.info_fails(info.AMDGPU_INFO_READ_MMR_REG, 4, *args) == error


def test_the_timestamp_follows_the_monotonic_clock(client: Client) -> None:
    """It ticks at gpu_counter_freq, within 1 % of CLOCK_MONOTONIC."""
    before = time.monotonic_ns()
    first = int.from_bytes(client.info(info.AMDGPU_INFO_TIMESTAMP, 8), "little")
    time.sleep(0.02)
    last = int.from_bytes(client.info(info.AMDGPU_INFO_TIMESTAMP, 8), "little")
    elapsed = (time.monotonic_ns() - before) / 1e9
    ticks = (last - first) / (client.adev.identity.clocks.counter * 1000)
    assert 0.02 * 0.99 <= ticks <= elapsed * 1.01


def test_memory_and_usage_counters_agree() -> None:
    """Totals are those of the file, max_alloc is 3/4 of usable, usage grows with a buffer."""
    client = Client()
    memory = client.adev.identity.memory
    before = struct.unpack("<12Q", client.info(info.AMDGPU_INFO_MEMORY, 96))
    client.bo(1 << 20, drm.AMDGPU_GEM_DOMAIN_VRAM)
    after = struct.unpack("<12Q", client.info(info.AMDGPU_INFO_MEMORY, 96))
    assert before[0::4] == (memory.vram, memory.visible_vram, memory.gtt)
    assert all(before[4 * i + 3] == before[4 * i + 1] * 3 // 4 for i in range(3))
    assert after[2] - before[2] == 1 << 20
    assert struct.unpack("<3Q", client.info(info.AMDGPU_INFO_VRAM_GTT, 24)) == (before[1], before[5], before[9])
    assert struct.unpack("<Q", client.info(info.AMDGPU_INFO_VRAM_USAGE, 8)) == (after[2],)


@pytest.mark.parametrize(("gpu", "size"), [("navi31", 0x1000), ("navi21", 0x10000), ("mi300x", 0)])
def test_gds_config(gpu: str, size: int) -> None:
    """Global data share by generation; CDNA3 has none."""
    gds = info.INFO_GDS.as_dict(Client(boot_gpu(gpu)).info(info.AMDGPU_INFO_GDS_CONFIG, 32))
    assert (gds["gds_total_size"], gds["gws_per_compute_partition"], gds["oa_per_compute_partition"]) == (size, 64, 16)


# -- the rest -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "args", "error"),
    [
        (info.AMDGPU_INFO_CRTC_FROM_ID, (1,), errno.EINVAL),
        (info.AMDGPU_INFO_VBIOS, (4,), errno.EINVAL),
        (info.AMDGPU_INFO_VBIOS, (2, 1 << 20), errno.EINVAL),
        (info.AMDGPU_INFO_NUM_HANDLES, (drm.AMDGPU_HW_IP_UVD,), errno.ENODATA),
        (info.AMDGPU_INFO_NUM_HANDLES, (GFX,), errno.EINVAL),
        (info.AMDGPU_INFO_SENSOR, (0x99,), errno.EINVAL),
        (info.AMDGPU_INFO_RAS_ENABLED_FEATURES, (), errno.EINVAL),
        (info.AMDGPU_INFO_VIDEO_CAPS, (2,), errno.EINVAL),
        (info.AMDGPU_INFO_UQ_FW_AREAS, (COMPUTE,), errno.EINVAL),
    ],
)
def test_queries_that_are_refused(client: Client, query: int, args: tuple[int, ...], error: int) -> None:
    """errno of what a headless GPU without RAS and video has not (KERNEL.md 2.9)."""
    assert client.info_fails(query, 64, *args) == error


@pytest.mark.parametrize(
    ("query", "size", "args"),
    [
        (info.AMDGPU_INFO_ACCEL_WORKING, 4, ()),
        (info.AMDGPU_INFO_NUM_BYTES_MOVED, 8, ()),
        (info.AMDGPU_INFO_NUM_EVICTIONS, 8, ()),
        (info.AMDGPU_INFO_NUM_VRAM_CPU_PAGE_FAULTS, 8, ()),
        (info.AMDGPU_INFO_VIS_VRAM_USAGE, 8, ()),
        (info.AMDGPU_INFO_GTT_USAGE, 8, ()),
        (info.AMDGPU_INFO_VCE_CLOCK_TABLE, 104, ()),
        (info.AMDGPU_INFO_VBIOS, 4, (1,)),
        (info.AMDGPU_INFO_VBIOS, 200, (3,)),
        (info.AMDGPU_INFO_VRAM_LOST_COUNTER, 4, ()),
        (info.AMDGPU_INFO_VIDEO_CAPS, 192, (0,)),
        (info.AMDGPU_INFO_UQ_FW_AREAS, 16, (GFX,)),
        (info.AMDGPU_INFO_GPUVM_FAULT, 16, ()),
    ],
)
def test_queries_that_are_answered(client: Client, query: int, size: int, args: tuple[int, ...]) -> None:
    """Each reply has exactly the size of its struct."""
    client.reply = client.caller.alloc(b"\xee" * (size + 8))
    fields = {"return_pointer": client.reply, "return_size": size + 8, "query": query}
    client.ioctl(drm.IOCTL_AMDGPU_INFO, **fields | {f"arg{i}": value for i, value in enumerate(args)})
    reply = client.caller.copy_from_user(client.reply, size + 8)
    assert reply[size:] == b"\xee" * 8, "the kernel wrote more than the struct"
    assert reply[:size] != b"\xee" * size, "the kernel wrote nothing"


def test_accel_working_is_true(client: Client) -> None:
    """libdrm's device init fails on 0."""
    assert u32(client.info(info.AMDGPU_INFO_ACCEL_WORKING, 4)) == 1


def test_the_clock_sensor_follows_a_stable_pstate() -> None:
    """A context that pins the clocks makes the shader clock go up, and down again when it is freed."""
    client = Client()
    idle = u32(client.info(info.AMDGPU_INFO_SENSOR, 4, info.AMDGPU_INFO_SENSOR_GFX_SCLK))
    ctx = client.new_ctx()
    pstate = {"op": drm.AMDGPU_CTX_OP_SET_STABLE_PSTATE, "ctx_id": ctx, "flags": drm.AMDGPU_CTX_STABLE_PSTATE_PEAK}
    client.ioctl(drm.IOCTL_AMDGPU_CTX, **pstate)
    assert u32(client.info(info.AMDGPU_INFO_SENSOR, 4, info.AMDGPU_INFO_SENSOR_GFX_SCLK)) > idle
    client.ioctl(drm.IOCTL_AMDGPU_CTX, op=drm.AMDGPU_CTX_OP_FREE_CTX, ctx_id=ctx)
    assert u32(client.info(info.AMDGPU_INFO_SENSOR, 4, info.AMDGPU_INFO_SENSOR_GFX_SCLK)) == idle


# -- open, close, ioctl table -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("variant", "minor"), [("6.12", 61), ("base", 64), ("series-v1", 65)])
def test_version(variant: str, minor: int) -> None:
    """VERSION: amdgpu 3.minor.0 of the kernel variant."""
    version = Client(boot_gpu("navi31", variant)).ioctl(core.IOCTL_VERSION)
    assert (version["version_major"], version["version_minor"], version["version_patchlevel"]) == (3, minor, 0)
    assert version["name_len"] == len("amdgpu")


def test_ioctls_that_only_newer_kernels_have() -> None:
    """6.12 does not know user queues and LIST_HANDLES (EINVAL); base has user queues switched off (ENOTSUPP, 524)."""
    old, new = Client(boot_gpu("navi31", "6.12")), Client()
    for ioctl in (drm.IOCTL_AMDGPU_USERQ, drm.IOCTL_AMDGPU_USERQ_SIGNAL, drm.IOCTL_AMDGPU_USERQ_WAIT):
        assert old.fails(ioctl) == errno.EINVAL
        assert new.fails(ioctl) == 524
    assert old.fails(drm.IOCTL_AMDGPU_GEM_LIST_HANDLES) == errno.EINVAL
    assert new.fails(drm.IOCTL_AMDGPU_GEM_LIST_HANDLES) == 0


def test_every_file_has_its_own_address_space() -> None:
    """Two opens of one node: the same address can be mapped in both."""
    first = Client()
    second = Client(first.adev, pid=first.caller.pid)
    assert first.fpriv.vm is not second.fpriv.vm
    assert first.fpriv.vm.pasid != second.fpriv.vm.pasid


def test_close_gives_everything_back() -> None:
    """After the last close no address space, context or memory of the file is left."""
    adev = boot_gpu()
    usage = adev.mman.vram_usage, adev.mman.gtt_usage
    client = Client(adev)
    target = client.bo(1 << 20, drm.AMDGPU_GEM_DOMAIN_VRAM)
    client.map(target, 0x400000, 1 << 20)
    chunk = client.bo_handles_chunk(target)
    client.wait(SDMA, client.submit(SDMA, None, (drm.AMDGPU_CHUNK_ID_BO_HANDLES, chunk)))
    assert client.caller.close(client.fd).wait().error == 0
    client.settle()
    assert adev.vms == {}
    assert (adev.mman.vram_usage, adev.mman.gtt_usage) == usage
    assert adev.kernel.oopses == 0, client.log()


def test_close_waits_for_gated_work() -> None:
    """close() of any descriptor sleeps until what was submitted is on the rings (KERNEL.md 4.8)."""
    client = Client()
    gate, fence = client.gate()
    client.submit(SDMA, None, gate)
    call = client.caller.close(client.fd).settle()
    assert not call.done, "close returned although a submission is gated"
    client.open_gate(fence)
    assert call.done


def test_an_idle_file_closes_at_once() -> None:
    """Nothing queued: flush does not even sleep."""
    client = Client()
    client.settle()
    assert client.caller.close(client.fd).done


def test_the_primary_node_speaks_amdgpu_too() -> None:
    """IGT opens card0: the first opener is master and may submit."""
    client = Client(path="/dev/dri/card0")
    client.wait(SDMA, client.submit(SDMA))


def test_the_gpu_is_announced_in_the_log() -> None:
    """The line people look for after boot."""
    adev = boot_gpu()
    assert "[drm] Initialized amdgpu 3.64.0 for 0000:03:00.0 on minor 0" in adev.kernel.log.text()
    assert FakeCaller(adev.kernel).open("/dev/dri/renderD128") == 3
