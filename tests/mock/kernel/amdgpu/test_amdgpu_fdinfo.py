# SPDX-License-Identifier: MIT
"""fdinfo: who a client is, what memory it has and how long its work was on the rings (KERNEL.md 7.3)."""

from __future__ import annotations

import pytest

from amdgpu_hw.mock.kernel.drm.drm_file import drm_show_fdinfo
from amdgpu_hw.mock.kernel.vgem import vgem_drv
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.amdgpu_client import COMPUTE, SDMA, Client, boot_gpu
from tests.mock.kernel.fake_caller import FakeCaller, boot

VRAM, GTT = drm.AMDGPU_GEM_DOMAIN_VRAM, drm.AMDGPU_GEM_DOMAIN_GTT
MIB = 1 << 20


def fdinfo(client: Client) -> dict[str, str]:
    """The lines by key."""
    lines = drm_show_fdinfo(client.filp).splitlines()
    found = dict(line.split(":", 1) for line in lines)
    assert len(found) == len(lines), "a key comes twice"
    return {key: value.strip() for key, value in found.items()}


def test_who_the_client_is() -> None:
    """Driver, number of the open file, PCI address, and the name the client gave itself."""
    client = Client()
    other = Client(client.adev)
    one, two = fdinfo(client), fdinfo(other)
    assert one["drm-driver"] == "amdgpu"
    assert one["drm-pdev"] == client.adev.pci_address
    assert one["drm-client-id"] != two["drm-client-id"]
    assert one["pasid"] != two["pasid"]
    assert "drm-client-name" not in one
    client.ioctl(core.IOCTL_SET_CLIENT_NAME, name_len=4, name=client.caller.alloc(b"Test"))
    assert fdinfo(client)["drm-client-name"] == "Test"


def test_memory_by_region() -> None:
    """Buffers count where they were asked to be, and as resident where they are; in the unit that divides them."""
    client = Client()
    client.bo(2 * MIB, VRAM)
    client.bo(4096, VRAM, drm.AMDGPU_GEM_CREATE_DISCARDABLE)
    before = fdinfo(client)
    assert before["drm-total-vram"] == before["drm-resident-vram"] == "2052 KiB"
    assert before["drm-purgeable-vram"] == "4 KiB"
    assert before["drm-shared-vram"] == "0"
    assert before["drm-memory-vram"] == before["amd-requested-vram"] == "2052 KiB"
    assert before["drm-total-gtt"] == f"{64 + 2048} KiB", "the client's area for IBs, and the driver's for fences"
    assert before["drm-total-oa"] == "0"
    client.bo(3 * MIB, GTT)
    assert fdinfo(client)["amd-requested-gtt"] == f"{64 + 5 * 1024} KiB"
    big = Client(client.adev)
    big.bo(16 * MIB, VRAM)
    assert fdinfo(big)["drm-resident-vram"] == "16 MiB"


def test_a_buffer_elsewhere_is_evicted() -> None:
    """amd-evicted-vram: what should be in VRAM and is not."""
    client = Client()
    handle = client.bo(MIB, GTT)
    client.ioctl(
        drm.IOCTL_AMDGPU_GEM_OP, handle=handle, op=drm.AMDGPU_GEM_OP_SET_PLACEMENT, value=drm.AMDGPU_GEM_DOMAIN_VRAM
    )
    found = fdinfo(client)
    assert found["amd-evicted-vram"] == found["amd-requested-vram"] == "1024 KiB"
    assert found["drm-resident-vram"] == "0"


@pytest.mark.parametrize("variant", ["base", "6.12"])
def test_shared_memory(variant: str) -> None:
    """A buffer that was exported, or has two handles; it counts once."""
    client = Client(boot_gpu(variant=variant))
    handle = client.bo(MIB, VRAM)
    client.map(handle, 0x80_0000, MIB)
    before = fdinfo(client)
    assert before["drm-shared-vram"] in ("0", "0 KiB")
    client.ioctl(core.IOCTL_PRIME_HANDLE_TO_FD, handle=handle)
    after = fdinfo(client)
    assert after["drm-shared-vram"] in ("1 MiB", "1024 KiB")
    assert after["drm-memory-vram"] == before["drm-memory-vram"] == "1024 KiB"


def test_older_kernels_have_no_regions() -> None:
    """Up to 6.13: a line for each heap, and what of it the CPU reaches."""
    client = Client(boot_gpu(variant="6.12"))
    client.map(client.bo(2 * MIB, VRAM), 0x80_0000, 2 * MIB)
    found = fdinfo(client)
    assert not any(key.startswith(("drm-total-", "drm-resident-", "drm-purgeable-")) for key in found)
    assert found["amd-memory-visible-vram"] == found["drm-memory-vram"] == "2048 KiB"
    assert found["amd-evicted-visible-vram"] == found["amd-requested-visible-vram"] == "0 KiB"


@pytest.mark.parametrize(("variant", "kib"), [("6.1", 0), ("6.12", 2048), ("7.3", 2048)])
def test_the_drivers_memory_for_fences_counts(variant: str, kib: int) -> None:
    """amdgpu_seq64_map: since 6.9 every address space has it mapped. Seen on real kernels."""
    found = fdinfo(Client(boot_gpu(variant=variant)))
    assert found["drm-memory-gtt"] == found.get("amd-requested-gtt", found["drm-memory-gtt"]) == f"{64 + kib} KiB"


def test_time_on_the_rings_only_grows() -> None:
    """By IP; what runs counts already, and neither old submissions nor freed contexts are forgotten."""
    client = Client()
    assert not any(key.startswith("drm-engine-") for key in fdinfo(client))
    ctx = client.new_ctx()
    last = 0
    for _ in range(40):
        client.submit(SDMA, ctx=ctx)
        now = int(fdinfo(client)["drm-engine-dma"].removesuffix(" ns"))
        assert now > last, "time went back"
        last = now
    client.ioctl(drm.IOCTL_AMDGPU_CTX, op=drm.AMDGPU_CTX_OP_FREE_CTX, ctx_id=ctx)
    assert int(fdinfo(client)["drm-engine-dma"].removesuffix(" ns")) == last
    assert "drm-engine-compute" not in fdinfo(client)
    gate, fence = client.gate()
    client.submit(COMPUTE, None, gate)
    assert "drm-engine-compute" not in fdinfo(client), "a job that waits is on no ring"
    client.open_gate(fence)
    assert "drm-engine-compute" in fdinfo(client)


def test_files_without() -> None:
    """vgem has no lines, nor has a GPU that was unplugged."""
    kernel = boot()
    vgem_drv.probe(kernel, 0)
    caller = FakeCaller(kernel)
    assert caller.file(caller.open("/dev/dri/renderD128")).show_fdinfo() == ""
    client = Client()
    client.adev.ddev.unplugged = True
    assert client.caller.file(client.fd).show_fdinfo() == ""


@pytest.mark.parametrize(("variant", "counts"), [("6.1", False), ("6.12", False), ("7.3", True)])
def test_buffers_that_were_never_mapped(variant: str, counts: bool) -> None:
    """Up to 6.13 they are on none of the lists that are counted, unless they are always valid; seen on real kernels."""
    client = Client(boot_gpu(variant=variant))

    def vram() -> int:
        return int(fdinfo(client)["drm-memory-vram"].removesuffix(" KiB"))

    handle = client.bo(MIB, VRAM)
    assert vram() == (1024 if counts else 0)
    client.map(handle, 0x80_0000, MIB)
    assert vram() == 1024
    client.va_op(drm.AMDGPU_VA_OP_UNMAP, handle, 0x80_0000, MIB)
    assert vram() == 1024, "once on a list, always on one"
    client.bo(MIB, VRAM, drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID)
    assert vram() == 2048
    listed = client.bo(MIB, VRAM)
    client.submit(SDMA, None, (drm.AMDGPU_CHUNK_ID_BO_HANDLES, client.bo_handles_chunk(listed)))
    assert vram() == 3072, "a submission updates what it lists"


def test_6_1_tells_memory_in_three_lines() -> None:
    """No lines of amdgpu's own, which came later."""
    found = fdinfo(Client(boot_gpu(variant="6.1")))
    assert [key for key in found if "vram" in key or "gtt" in key or "-cpu" in key] == [
        "drm-memory-vram",
        "drm-memory-gtt",
        "drm-memory-cpu",
    ]
