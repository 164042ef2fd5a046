# SPDX-License-Identifier: MIT
"""Opening GPUs, what they are and can do, and closing them without hanging."""

from __future__ import annotations

import errno
import os

import pytest

from amdgpu_hw import BackgroundCall, DrmError, Engine, FeatureMissing, Gpu, KiB, PendingWork, list_gpus, open_gpu
from amdgpu_hw.packets import Sdma
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import amdgpu_info
from amdgpu_hw.uapi.layout import iowr
from tests.mock.device.cases.gates import Gate

VERSIONS = {
    "navi31": ((11, 0, 0), (6, 0, 0), "GFX11"),
    "navi21": ((10, 3, 0), (5, 2, 0), "GFX10.3"),
    "mi300x": ((9, 4, 3), (4, 4, 2), "GFX9.4"),
}


def test_every_gpu_can_be_opened_by_its_address(machine_gpus: list[str]) -> None:
    """Each is what it says it is, and its first compute ring works."""
    nodes = list_gpus()
    assert len(nodes) == len(machine_gpus)
    for node, name in zip(nodes, machine_gpus, strict=True):
        with open_gpu(node.pci_address) as gpu:
            assert gpu.identity.node == node.node
            assert gpu.identity.pci_address == node.pci_address
            assert (gpu.identity.gc_version, gpu.identity.sdma_version, gpu.identity.generation) == VERSIONS[name]
            assert gpu.compute.submit(gpu.compute.packets.nop()).wait()


def test_identity(gpu: Gpu) -> None:
    """Facts that every GPU has."""
    identity = gpu.identity
    assert identity.name
    assert identity.driver_version[0] == 3
    assert identity.vram_size >= identity.visible_vram_size > 0
    assert 0 < identity.va_start < identity.va_end
    assert identity.counter_khz > 0
    assert str(identity).startswith(f"{identity.name} at 0000:")


def test_two_gpus_have_two_address_spaces(machine_gpus: list[str]) -> None:
    """Several GPUs can be open in one process."""
    if len(machine_gpus) < 2:
        pytest.skip("the machine has one GPU")
    first, second = (open_gpu(node.node) for node in list_gpus())
    with first, second:
        assert first.identity.gc_version != second.identity.gc_version
        assert first.compute.submit(first.compute.packets.nop()).wait()
        assert second.compute.submit(second.compute.packets.nop()).wait()


def test_probes_say_what_the_kernel_can_do(gpu: Gpu, kernel: str) -> None:
    """By behaviour; the explanation names the errno."""
    probes = gpu.capabilities
    assert bool(probes.explicit_sync) == kernel.startswith("series")
    assert bool(probes.update_fence) == bool(probes.input_fence) == (kernel != "6.12")
    assert probes.prt
    assert probes.timeline_syncobj
    if not probes.explicit_sync:
        assert probes.explicit_sync.errno == errno.EINVAL
        assert "EINVAL" in probes.explicit_sync.why
    assert set(probes.probes()) >= {"explicit_sync", "update_fence", "input_fence", "prt"}


def test_rings(gpu: Gpu) -> None:
    """HW_IP_INFO: which rings there are, and how IBs are to be aligned."""
    rings = gpu.capabilities.rings
    assert rings[Engine.COMPUTE].rings == (0, 1, 2, 3)
    assert rings[Engine.SDMA].ib_start_alignment == 256
    assert rings[Engine.COMPUTE].version == gpu.identity.gc_version


def test_the_clock_runs(gpu: Gpu) -> None:
    """The GPU's counter goes up."""
    assert gpu.clock() < gpu.clock()


def test_vm_faults_are_told(gpu: Gpu, kernel: str) -> None:
    """None at first; after a job that touches nothing, its address."""
    assert gpu.last_vm_fault() is None
    packets = gpu.sdma.packets
    assert isinstance(packets, Sdma)
    with gpu.reserve(4 * KiB) as empty:
        gpu.sdma.submit(packets.write(empty.va, [1])).wait()
        fault = gpu.last_vm_fault()
    assert fault is not None
    assert fault["addr"] & ~0xFFF == empty.va & 0xFFFF_FFFF_FFFF


def test_a_raw_ioctl(gpu: Gpu) -> None:
    """Whatever uapi declares, and errors as DrmError."""
    with gpu.alloc(8 * KiB) as buffer:
        record = bytearray(uapi.GEM_CREATE_IN.size)
        gpu.ioctl(
            uapi.IOCTL_AMDGPU_GEM_OP,
            handle=buffer.handle,
            op=uapi.AMDGPU_GEM_OP_GET_GEM_CREATE_INFO,
            value=record,
        )
        assert uapi.GEM_CREATE_IN.as_dict(record)["bo_size"] == 8 * KiB
    unknown = iowr("AMDGPU_UNKNOWN", "d", 0x5F, uapi.GEM_CREATE_IN)
    with pytest.raises(DrmError, match=r"AMDGPU_UNKNOWN.*EINVAL"):
        gpu.ioctl(unknown)
    memory = gpu.query_info(amdgpu_info.AMDGPU_INFO_VRAM_USAGE, 8)
    assert len(memory) == 8


def test_the_same_gpu_twice_in_a_process(gpu: Gpu) -> None:
    """A second address space where libdrm can; otherwise a clear refusal."""
    if gpu.capabilities.second_address_space:
        with open_gpu(gpu.identity.node) as other, other.alloc(4 * KiB) as buffer:
            assert other.address_space is not gpu.address_space
            with pytest.raises(DrmError) as caught:
                gpu.gem_va_raw(operation=1, handle=buffer.handle + 1000, va=gpu.identity.va_start, size=4096)
            assert caught.value.errno == errno.ENOENT
    else:
        with pytest.raises(FeatureMissing, match="already has /dev/dri/renderD128 open"):
            open_gpu(gpu.identity.node)


def test_closing_leaves_no_descriptor() -> None:
    """As many are open after as before, and none is inherited by children."""
    before = set(os.listdir("/proc/self/fd"))
    with open_gpu() as gpu:
        gpu.alloc(4096).map()
        new = {fd for fd in os.listdir("/proc/self/fd") if fd not in before}
        nodes = [fd for fd in new if os.path.exists(f"/proc/self/fd/{fd}")]
        assert len(nodes) >= 1
        assert not any(os.get_inheritable(int(fd)) for fd in nodes)
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_gpu_is_not_closed_under_a_job(gpu: Gpu, gate: Gate) -> None:
    """close() would block until the gate opens: it says so, the GPU stays usable, and later it closes."""
    job = gate.job(gpu.compute)
    with pytest.raises(PendingWork, match=r"job 1 of compute0 did not end within 0\.05 s: open the gate"):
        gpu.close(timeout_ns=50_000_000)
    assert not gpu.closed
    assert not job.signaled()
    gate.open()
    gpu.close()
    assert gpu.closed
    gpu.close()


def test_a_gpu_is_not_closed_under_an_update(gpu: Gpu, gate: Gate, kernel: str) -> None:
    """The same for an update that waits for an input fence, in the kernel's queue or inside the call."""
    if kernel == "6.12":
        pytest.skip("the kernel has no input fences")
    place = gpu.reserve(4 * KiB)
    with BackgroundCall(lambda: place.map_prt(inputs=[gate.syncobj])) as call:
        call.wait(100_000_000)
        message = "still blocked in another thread" if kernel == "base" else "updates of the address space"
        with pytest.raises(PendingWork, match=message):
            gpu.close(timeout_ns=50_000_000)
        gate.open()
        assert call.result().wait()
    gpu.close()


def test_an_error_in_the_block_is_not_hidden_by_closing() -> None:
    """With a job left in flight both errors are told, the test's own first."""
    gpu = open_gpu()
    gate = Gate(gpu)

    def body() -> None:
        with gpu:
            gate.job(gpu.compute)
            raise LookupError("the test's own")

    try:
        with pytest.raises(PendingWork) as caught:
            body()
        assert isinstance(caught.value.__context__, LookupError)
    finally:
        gate.close()
        gpu.close()
