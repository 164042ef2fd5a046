# SPDX-License-Identifier: MIT
"""Every mock GPU, in process: it says of itself what the reference says, and each of its engines does its packets.

The expected values are typed in from PACKETS.md section 4, not taken from the GPUs' files.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from amdgpu_hw.gpu_model.gpus import gpu_names
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import amdgpu_info as info
from tests.mock.kernel.amdgpu_client import COMPUTE, FOREVER, GFX, PAGE, SDMA, Client, boot_gpu

GIB = 1 << 30
HIGH_HALF = (0xFFFF_8000_0000_0000, 0xFFFF_FFFF_FFBF_E000)


@dataclass(frozen=True)
class Reference:
    """What PACKETS.md says about one GPU."""

    device: tuple[int, int]
    """PCI device and revision."""
    chip: tuple[int, int]
    """Family, external revision."""
    gc: tuple[int, int, int]
    """Major and minor of the block, discovery version."""
    sdma: tuple[int, int, int]
    rings: tuple[int, int, int]
    """Masks of GFX, COMPUTE and DMA rings."""
    sdma_count: int
    cus: int
    wave: int
    counter: int
    vram: tuple[int, int]
    """Type, bits."""
    heaps: tuple[int, int, int] | None = None
    """Usable VRAM, usable visible VRAM and usable GTT of the dump; None where there is none."""
    tolerance: int = 0
    """Bytes by which the heaps may differ from the dump."""
    flags: int = 0
    """ids_flags besides GANG_SUBMIT."""
    gb_addr_config: int = 0
    va_max: int = 0x8000_0000_0000


FUSION, TMZ, TRUNC = (
    info.AMDGPU_IDS_FLAGS_FUSION,
    info.AMDGPU_IDS_FLAGS_TMZ,
    info.AMDGPU_IDS_FLAGS_CONFORMANT_TRUNC_COORD,
)

REFERENCE = {
    "polaris10": Reference(
        (0x67DF, 0xE7), (130, 0x51), (8, 0, 0), (3, 1, 0), (1, 0xF, 3), 2, 36, 64, 25000, (5, 256),
        (8576106496, 262995968, 16766920704), gb_addr_config=0x22011003, va_max=128 * GIB - 0x402000,
    ),
    "vega10": Reference(
        (0x687F, 0xC1), (141, 0x01), (9, 0, 0x90001), (4, 0, 0x40000), (1, 0xF, 3), 2, 64, 64, 27000, (6, 2048),
        (8556453888, 260120576, 8346802176), gb_addr_config=0x2A114042,
    ),
    "vega20": Reference(
        (0x66A1, 0x06), (141, 0x29), (9, 0, 0x90400), (4, 0, 0x40200), (1, 0xF, 3), 2, 60, 64, 25000, (6, 4096),
        (17143853056, 17143853056, 67448295424), gb_addr_config=0x2A114042,
    ),
    "renoir": Reference(
        (0x15E7, 0xE9), (142, 0xA1), (9, 0, 0x90300), (4, 0, 0x40102), (1, 0xF, 1), 1, 7, 64, 100000, (11, 128),
        flags=FUSION | TMZ, gb_addr_config=0x26010042,
    ),
    "mi100": Reference(
        (0x738C, 0x01), (141, 0x33), (9, 0, 0x90401), (4, 0, 0x40202), (0, 0xF, 3), 8, 120, 64, 25000, (6, 4096),
        gb_addr_config=0x2A114042,
    ),
    "mi200": Reference(
        (0x740F, 0x02), (141, 0x3D), (9, 0, 0x90402), (4, 0, 0x40400), (0, 0xF, 3), 5, 104, 64, 25000, (6, 4096),
        gb_addr_config=0x2A114042,
    ),
    "mi300x": Reference(
        (0x74A1, 0x00), (141, 0x46), (9, 4, 0x90403), (4, 4, 0x40402), (0, 0xF, 3), 16, 304, 64, 100000, (6, 8192),
        gb_addr_config=0x2A114042,
    ),
    "mi350x": Reference(
        (0x75A0, 0x00), (141, 0x50), (9, 4, 0x90500), (4, 4, 0x40405), (0, 0xF, 3), 16, 256, 64, 100000,
        (13, 8192), gb_addr_config=0x2A114042,
    ),
    "navi10": Reference(
        (0x731F, 0xC1), (143, 0x03), (10, 0, 0xA010A), (5, 0, 0x50000), (1, 0xF, 3), 2, 40, 32, 100000, (9, 256),
        (8553127936, 256860160, 8347318272), tolerance=1 << 16, gb_addr_config=0x00100044,
    ),
    "navi21": Reference(
        (0x73BF, 0xC3), (143, 0x29), (10, 0, 0xA0300), (5, 2, 0x50200), (1, 0xF, 3), 4, 60, 32, 100000, (9, 256),
        # The dump has more usable than existing visible VRAM.
        (17128448000, 268435456 - 26255360, 16733624320), tolerance=1 << 12, gb_addr_config=0x00000444,
    ),
    "navi31": Reference(
        (0x744C, 0xC8), (145, 0x01), (11, 0, 0xB0000), (6, 0, 0x60000), (1, 0xF, 3), 2, 96, 32, 100000, (9, 384),
        (25681096704, 25681096704, 33240895488), flags=TRUNC, gb_addr_config=0x00000545,
    ),
    "navi33": Reference(
        (0x7480, 0xCF), (145, 0x10), (11, 0, 0xB0002), (6, 0, 0x60002), (1, 0xF, 3), 2, 32, 32, 100000, (9, 128),
        (8527036416, 8527036416, 16742203392), flags=TRUNC, gb_addr_config=0x00000343,
    ),
    "phoenix": Reference(
        (0x15BF, 0x04), (148, 0x0A), (11, 0, 0xB0001), (6, 0, 0x60001), (1, 0xF, 1), 1, 12, 32, 99810, (12, 128),
        (447279104, 447279104, 16423583744), flags=FUSION | TMZ | TRUNC, gb_addr_config=0x00000242,
    ),
    "strix": Reference(
        (0x150E, 0xD1), (150, 0x11), (11, 0, 0xB0500), (6, 0, 0x60100), (1, 0xF, 1), 1, 16, 32, 100000, (12, 128),
        (368558080, 368558080, 16474185728), flags=FUSION | TRUNC, gb_addr_config=0x00000242,
    ),
    "navi44": Reference(
        (0x7590, 0xC0), (152, 0x40), (12, 0, 0xC0000), (7, 0, 0x70000), (1, 0xF, 3), 2, 32, 32, 100000, (9, 128),
        gb_addr_config=0x08200545,
    ),
    "navi48": Reference(
        (0x7550, 0xC0), (152, 0x51), (12, 0, 0xC0001), (7, 0, 0x70001), (1, 0xF, 3), 2, 64, 32, 100000, (9, 256),
        (16543346688, 265252864, 16769716224), gb_addr_config=0x08200545,
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=gpu_names())
def client(request: pytest.FixtureRequest) -> Client:
    """A client of each GPU."""
    return Client(boot_gpu(request.param, "series-fixed"))


def reference_of(client: Client) -> Reference:
    """What the reference says about the client's GPU."""
    return REFERENCE[client.adev.identity.name]


def test_every_gpu_has_a_reference() -> None:
    """A GPU that is added is added here too."""
    assert sorted(REFERENCE) == gpu_names()


# -- what it says -------------------------------------------------------------------------------------------------


def test_dev_info_agrees_with_the_reference(client: Client) -> None:
    """Identity, topology, clock and memory type, as user space tells chips apart by them."""
    wanted = reference_of(client)
    dev = info.INFO_DEVICE.as_dict(client.info(info.AMDGPU_INFO_DEV_INFO, info.INFO_DEVICE.size))
    assert (dev["device_id"], dev["pci_rev"]) == wanted.device
    assert (dev["family"], dev["external_rev"]) == wanted.chip
    assert (dev["cu_active_number"], dev["wave_front_size"]) == (wanted.cus, wanted.wave)
    assert dev["gpu_counter_freq"] == wanted.counter
    assert (dev["vram_type"], dev["vram_bit_width"]) == wanted.vram
    assert dev["ids_flags"] == wanted.flags | info.AMDGPU_IDS_FLAGS_GANG_SUBMIT


def test_address_space_has_the_size_of_its_generation(client: Client) -> None:
    """48 bits in two halves from GFX9 on; before, at most 40 bits and no high half."""
    wanted = reference_of(client)
    dev = info.INFO_DEVICE.as_dict(client.info(info.AMDGPU_INFO_DEV_INFO, info.INFO_DEVICE.size))
    assert (dev["virtual_address_offset"], dev["virtual_address_max"]) == (0x10000, wanted.va_max)
    assert (dev["high_va_offset"], dev["high_va_max"]) == (HIGH_HALF if wanted.gc[0] >= 9 else (0, 0))
    assert (dev["virtual_address_alignment"], dev["pte_fragment_size"], dev["gart_page_size"]) == (4096, 2 << 20, 4096)


def test_last_page_of_the_address_space_can_be_mapped_and_the_next_cannot(client: Client) -> None:
    """GEM_VA keeps to what DEV_INFO announces, at the end of each half."""
    dev = info.INFO_DEVICE.as_dict(client.info(info.AMDGPU_INFO_DEV_INFO, info.INFO_DEVICE.size))
    ends = [end for end in (dev["virtual_address_max"], dev["high_va_max"]) if end]
    for end in ends:
        client.va_op(drm.AMDGPU_VA_OP_MAP, 0, end - PAGE, PAGE, drm.AMDGPU_VM_PAGE_PRT)
        client.va_op(drm.AMDGPU_VA_OP_UNMAP, 0, end - PAGE, PAGE, drm.AMDGPU_VM_PAGE_PRT)
    fields = {"operation": drm.AMDGPU_VA_OP_MAP, "flags": drm.AMDGPU_VM_PAGE_PRT, "map_size": PAGE}
    assert client.fails(drm.IOCTL_AMDGPU_GEM_VA, va_address=ends[-1], **fields) == 22, "EINVAL behind the end"


def test_hw_ip_info_agrees_with_the_reference(client: Client) -> None:
    """Versions, rings and alignments of the three IPs; CDNA has no graphics ring, APUs one copy engine."""
    wanted = reference_of(client)
    for ip, version, rings, alignment in (
        (GFX, wanted.gc, wanted.rings[0], (32, 32)),
        (COMPUTE, wanted.gc, wanted.rings[1], (32, 32)),
        (SDMA, wanted.sdma, wanted.rings[2], (256, 4)),
    ):
        reply = info.INFO_HW_IP.as_dict(client.info(info.AMDGPU_INFO_HW_IP_INFO, info.INFO_HW_IP.size, ip))
        found = (reply["hw_ip_version_major"], reply["hw_ip_version_minor"], reply["ip_discovery_version"])
        assert found == version
        assert reply["available_rings"] == rings
        assert (reply["ib_start_alignment"], reply["ib_size_alignment"]) == alignment
    count = int.from_bytes(client.info(info.AMDGPU_INFO_HW_IP_COUNT, 4, SDMA), "little")
    assert count == wanted.sdma_count, "HW_IP_COUNT counts the engines that a context cannot reach, too"


def test_heaps_agree_with_the_dump(client: Client) -> None:
    """Usable sizes of the three heaps, where there is a dump to compare with."""
    wanted = reference_of(client)
    reply = client.info(info.AMDGPU_INFO_MEMORY, info.MEMORY_INFO_SIZE)
    usable = [info.HEAP_INFO.as_dict(reply, i * info.HEAP_INFO.size)["usable_heap_size"] for i in range(3)]
    if wanted.heaps is None:
        assert all(usable), "a heap without room"
        return
    for heap, size, dumped in zip(("VRAM", "visible VRAM", "GTT"), usable, wanted.heaps, strict=True):
        # GTT is kept to whole pages, which some dumps are not.
        assert abs(size - dumped) <= max(wanted.tolerance, 2048), f"{heap}: {size}, dumped {dumped}"


def test_registers_that_libdrm_reads_are_there(client: Client) -> None:
    """amdgpu_device_initialize fails otherwise; before GFX9 it reads tile modes and the raster configuration too."""
    wanted = reference_of(client)

    def read(offset: int, count: int = 1, instance: int = 0xFFFFFFFF) -> list[int]:
        reply = client.info(info.AMDGPU_INFO_READ_MMR_REG, 4 * count, offset, count, instance)
        return list(memoryview(reply).cast("I"))

    assert read(0x263E) == [wanted.gb_addr_config]
    if wanted.gc[0] >= 9:
        assert client.info_fails(info.AMDGPU_INFO_READ_MMR_REG, 4, 0x2644, 1, 0xFFFFFFFF) == 14, "EFAULT"
        return
    assert [read(0xA0D4, 1, 0xFF00 + engine) for engine in range(4)] == [[0x16000012]] * 4
    assert [read(0xA0D5, 1, 0xFF00 + engine) for engine in range(4)] == [[0x2A]] * 4
    assert read(0x263D, 1, 0xFF00) == [0]
    assert read(0x9D8) == [0x60A2]
    tile_modes = read(0x2644, 32)
    assert (tile_modes[0], tile_modes[18], tile_modes[31]) == (0x00800310, 0x0040030C, 0)
    assert read(0x2664, 16)[:5] == [0xE8, 0xE8, 0xE8, 0xE8, 0xD4]


# -- what its engines do ------------------------------------------------------------------------------------------

DATA_VA = 0x80_0000
WRITTEN, COPIED, FILLED, FENCE, CLOCK = (DATA_VA + PAGE * i for i in range(5))
DWORDS = [0x11111111, 0x22222222, 0x33333333, 0x44444444]


@pytest.fixture(scope="module")
def data(client: Client) -> int:
    """A buffer of five pages at `DATA_VA`."""
    handle = client.bo(5 * PAGE)
    client.map(handle, DATA_VA, 5 * PAGE)
    return handle


def check_results(client: Client, data: int) -> None:
    """See what an engine left in the buffer, and wipe it for the next one."""
    expected = b"".join(word.to_bytes(4, "little") for word in DWORDS)
    assert client.read(data, 16) == expected, "write"
    assert client.read(data, 16, PAGE) == expected, "copy"
    assert client.read(data, PAGE, 2 * PAGE) == bytes.fromhex("efbeadde") * (PAGE // 4), "fill"
    assert client.read(data, 4, 3 * PAGE) == bytes.fromhex("0df0feca"), "fence"
    assert any(client.read(data, 8, 4 * PAGE)), "clock"
    client.write(data, bytes(5 * PAGE))
    errors = [line.text for line in client.adev.kernel.log.lines if line.level == "err"]
    assert errors == [], "nothing hangs or faults on the way"


@pytest.mark.parametrize("ip", [GFX, COMPUTE], ids=["gfx", "compute"])
def test_command_processor_writes_copies_fills_and_fences(client: Client, data: int, ip: int) -> None:
    """PM4 of this generation, from the same tables as the harness's, on every ring of the kind."""
    rings = bin(reference_of(client).rings[ip]).count("1")
    pm4 = client.packets(ip)
    for ring in range(rings):
        ib = [
            *pm4.write_data(WRITTEN, DWORDS),
            *pm4.wait_reg_mem(WRITTEN + 4, DWORDS[1]),
            *pm4.dma_data_copy(WRITTEN, COPIED, 16),
            *pm4.dma_data_fill(FILLED, 0xDEADBEEF, PAGE),
            *pm4.copy_data_clock(CLOCK),
            *pm4.acquire_mem(),
            *pm4.release_mem(FENCE, 0xCAFEF00D),
        ]
        client.wait(ip, client.submit(ip, ib, ring=ring), ring=ring)
        check_results(client, data)
    assert ip == COMPUTE or rings == (client.adev.identity.rings.gfx > 0)


def test_copy_engine_writes_copies_fills_and_fences(client: Client, data: int) -> None:
    """SDMA of this version: counts of N before 4.0 and of N-1 after, on every engine a context reaches."""
    sdma = client.packets(SDMA)
    for ring in range(bin(reference_of(client).rings[2]).count("1")):
        ib = [
            *sdma.write(WRITTEN, DWORDS),
            *sdma.poll_regmem(WRITTEN + 4, DWORDS[1]),
            *sdma.copy(WRITTEN, COPIED, 16),
            *sdma.fill(FILLED, 0xDEADBEEF, PAGE),
            *sdma.timestamp(CLOCK),
            *sdma.fence(FENCE, 0xCAFEF00D),
        ]
        client.wait(SDMA, client.submit(SDMA, ib, ring=ring), ring=ring)
        check_results(client, data)


# -- faults -------------------------------------------------------------------------------------------------------

FAULT_LINES = {8: "GPU fault detected: 146 ", 9: "[gfxhub0] no-retry page fault ", 10: "[gfxhub] page fault "}


@pytest.mark.parametrize("name", gpu_names())
def test_vm_fault_is_reported_as_by_this_generation(name: str) -> None:
    """The job goes on, the address space remembers the fault, the log has the generation's own words."""
    client = Client(boot_gpu(name, "series-fixed"))
    generation = REFERENCE[name].gc[0]
    client.wait(COMPUTE, client.submit(COMPUTE, client.packets(COMPUTE).write_data(0x4000_0000, [1])))
    fault = info.INFO_GPUVM_FAULT.as_dict(client.info(info.AMDGPU_INFO_GPUVM_FAULT, info.INFO_GPUVM_FAULT.size))
    assert fault["addr"] == 0x4000_0000
    words = FAULT_LINES[min(generation, 10)]
    if name == "renoir":
        words = words.replace("no-retry", "retry")  # noretry=0 by default
    assert words in client.log()


@pytest.mark.parametrize("name", gpu_names())
def test_copy_engines_of_gfx9_fault_on_the_multimedia_hub(name: str) -> None:
    """SDMA 4 is behind the MMHUB; before, there is one hub, and later SDMA is a client of the graphics hub."""
    client = Client(boot_gpu(name, "series-fixed"))
    client.wait(SDMA, client.submit(SDMA, client.packets(SDMA).write(0x4000_0000, [1])))
    fault = info.INFO_GPUVM_FAULT.as_dict(client.info(info.AMDGPU_INFO_GPUVM_FAULT, info.INFO_GPUVM_FAULT.size))
    on_mmhub = REFERENCE[name].gc[0] == 9
    assert fault["vmhub"] == (info.AMDGPU_VMHUB_TYPE_MM0 if on_mmhub else info.AMDGPU_VMHUB_TYPE_GFX)


# -- PRT holes ----------------------------------------------------------------------------------------------------

PRT_VA = 0x5000_0000


def at_a_hole(client: Client, ip: int, dwords: list[int]) -> str:
    """What a job does that reads a PRT hole into the first page of `DATA_VA`: ``zero``, ``fault`` or ``hang``."""
    client.va_op(drm.AMDGPU_VA_OP_MAP, 0, PRT_VA, PAGE, drm.AMDGPU_VM_PAGE_PRT)
    handle = client.bo()
    client.map(handle, DATA_VA)
    client.write(handle, b"\xff" * 16)
    sequence = client.submit(ip, dwords)
    if client.fails(drm.IOCTL_AMDGPU_WAIT_CS, timeout=FOREVER, **client.fence_fields(ip, sequence)):
        return "hang"
    assert client.read(handle, 4) == bytes(4), "a fault reads as 0 too"
    fault = info.INFO_GPUVM_FAULT.as_dict(client.info(info.AMDGPU_INFO_GPUVM_FAULT, info.INFO_GPUVM_FAULT.size))
    return "fault" if fault["addr"] else "zero"


@pytest.mark.parametrize("name", gpu_names())
def test_copy_engine_at_a_prt_hole(name: str) -> None:
    """SDMA 4.0 and later read zeros, without a fault; earlier ones cannot ignore the fault (PACKETS.md 5.5)."""
    client = Client(boot_gpu(name, "series-fixed"))
    seen = at_a_hole(client, SDMA, client.packets(SDMA).copy(PRT_VA, DATA_VA, 4))
    assert seen == ("fault" if REFERENCE[name].sdma[0] < 4 else "zero")


@pytest.mark.parametrize("name", gpu_names())
def test_cp_dma_at_a_prt_hole(name: str) -> None:
    """Usable from GFX10 on; on GFX8 and GFX9 the command processor hangs and has to be reset (PACKETS.md 5.5)."""
    client = Client(boot_gpu(name, "series-fixed"))
    seen = at_a_hole(client, COMPUTE, client.packets(COMPUTE).dma_data_copy(PRT_VA, DATA_VA, 4))
    assert seen == ("hang" if REFERENCE[name].gc[0] < 10 else "zero")


@pytest.mark.parametrize("name", gpu_names())
def test_copy_data_at_a_prt_hole(name: str) -> None:
    """Seen to hang on GC 10.1; elsewhere nobody knows, and the mock says so (PACKETS.md section 0 item 15)."""
    client = Client(boot_gpu(name, "series-fixed"))
    seen = at_a_hole(client, COMPUTE, client.packets(COMPUTE).copy_data(PRT_VA, DATA_VA))
    hangs = client.adev.identity.gc_version[:2] == (10, 1)
    assert seen == ("hang" if hangs else "zero")
    assert hangs or "what hardware does is not known" in client.log()
