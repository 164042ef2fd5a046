# SPDX-License-Identifier: MIT
"""Single calls: ``python -m bench.calls`` runs on the machine and prints its samples (us) as JSON."""

from __future__ import annotations

import argparse
import json
import os
import struct
import sys
import time
from collections.abc import Callable

from amdgpu_hw import open_gpu
from amdgpu_hw.address_space import Mapping
from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.packets import Engine, codec_for
from amdgpu_hw.uapi import amdgpu_drm, drm
from bench.node import GET_CAP_ARGUMENT, AmdgpuNode, address_of

__all__ = ("main",)

SIZE = 64 * 1024
ADDRESS = 1 << 32
IB_ADDRESS = 2 << 32
IB_DWORDS = 16
WARM_UP = 200
PAUSE_NS = 50_000
"""Longer than the mock kernel works after a reply, shorter than it takes to fall asleep."""
FOREVER = (1 << 63) - 1

Samples = dict[str, list[float]]


class Calls:
    """Makes the samples."""

    def __init__(self, count: int, gpu: str) -> None:
        self.count = count
        self.gpu = gpu
        self.node = AmdgpuNode()

    def all(self) -> Samples:
        """Everything, by name of the row."""
        capability = bytearray(GET_CAP_ARGUMENT)
        return {
            "refused ioctl (the seam alone)": self._repeat(self.node.timed_refusal),
            "trivial ioctl (GET_CAP)": self._repeat(lambda: self.node.timed(drm.IOCTL_GET_CAP.request, capability)),
            **self._gem_va("", pause_ns=0),
            **self._gem_va(", kernel at rest before", pause_ns=PAUSE_NS),
            **self._submissions(),
            **self._device_layer(),
        }

    def _gem_va(self, how: str, pause_ns: int) -> Samples:
        handle = self.node.buffer(SIZE)
        request = amdgpu_drm.IOCTL_AMDGPU_GEM_VA.request
        map_, unmap = (
            self.node.gem_va(operation, handle, ADDRESS, SIZE)
            for operation in (amdgpu_drm.AMDGPU_VA_OP_MAP, amdgpu_drm.AMDGPU_VA_OP_UNMAP)
        )

        def pair() -> tuple[float, float]:
            _pass_time(pause_ns)
            mapped = self.node.timed(request, map_)
            _pass_time(pause_ns)
            return mapped, self.node.timed(request, unmap)

        pairs = [pair() for _ in range(WARM_UP + self.count)][WARM_UP:]
        return {f"GEM_VA map{how}": [each[0] for each in pairs], f"GEM_VA unmap{how}": [each[1] for each in pairs]}

    def _submissions(self) -> Samples:
        """CS of an IB of no-operations with one buffer in its list, and WAIT_CS right after it."""
        node, engine = self.node, Engine.COMPUTE
        identity = load_identity(self.gpu)
        filler = codec_for(engine, identity.gc_version, identity.sdma_version).filler
        ib = node.buffer(amdgpu_drm.AMDGPU_GPU_PAGE_SIZE)
        node.fill(ib, struct.pack("<I", filler) * IB_DWORDS)
        node.timed(
            amdgpu_drm.IOCTL_AMDGPU_GEM_VA.request,
            node.gem_va(amdgpu_drm.AMDGPU_VA_OP_MAP, ib, IB_ADDRESS, amdgpu_drm.AMDGPU_GPU_PAGE_SIZE),
        )
        context = node.call(
            amdgpu_drm.IOCTL_AMDGPU_CTX, out=amdgpu_drm.CTX_ALLOC_OUT, op=amdgpu_drm.AMDGPU_CTX_OP_ALLOC_CTX
        )["ctx_id"]

        # All in one piece, as libdrm and Mesa have it on the stack; in this order.
        header, ib_chunk = amdgpu_drm.CS_CHUNK, amdgpu_drm.CS_CHUNK_IB
        bo_chunk, bo_entry = amdgpu_drm.BO_LIST_IN, amdgpu_drm.BO_LIST_ENTRY
        memory = bytearray(16 + 2 * header.size + ib_chunk.size + bo_chunk.size + bo_entry.size)
        pointers = address_of(memory)
        headers = pointers + 16
        ib_data = headers + 2 * header.size
        bo_data = ib_data + ib_chunk.size
        entries = bo_data + bo_chunk.size
        memory[:] = (
            struct.pack("<2Q", headers, headers + header.size)
            + header.pack(chunk_id=amdgpu_drm.AMDGPU_CHUNK_ID_IB, length_dw=ib_chunk.size // 4, chunk_data=ib_data)
            + header.pack(
                chunk_id=amdgpu_drm.AMDGPU_CHUNK_ID_BO_HANDLES, length_dw=bo_chunk.size // 4, chunk_data=bo_data
            )
            + ib_chunk.pack(va_start=IB_ADDRESS, ib_bytes=4 * IB_DWORDS, ip_type=engine)
            + bo_chunk.pack(
                operation=0xFFFFFFFF,
                list_handle=0xFFFFFFFF,
                bo_number=1,
                bo_info_size=bo_entry.size,
                bo_info_ptr=entries,
            )
            + bo_entry.pack(bo_handle=ib)
        )
        submit = amdgpu_drm.CS_IN.pack(ctx_id=context, num_chunks=2, chunks=pointers)

        def submit_and_wait() -> tuple[float, float, float]:
            argument = bytearray(submit)
            wait = bytearray(amdgpu_drm.WAIT_CS_IN.size)
            start = time.perf_counter_ns()
            submitted = node.timed(amdgpu_drm.IOCTL_AMDGPU_CS.request, argument)
            (sequence,) = amdgpu_drm.CS_OUT.unpack_from(argument)
            amdgpu_drm.WAIT_CS_IN.pack_into(wait, 0, sequence, FOREVER, engine, 0, 0, context)
            waited = node.timed(amdgpu_drm.IOCTL_AMDGPU_WAIT_CS.request, wait)
            return submitted, waited, (time.perf_counter_ns() - start) / 1000

        samples = [submit_and_wait() for _ in range(WARM_UP + self.count)][WARM_UP:]
        names = ("CS of a NOP IB", "WAIT_CS right after it", "CS + WAIT_CS, the Python between them included")
        return {name: list(values) for name, values in zip(names, zip(*samples, strict=True), strict=True)}

    def _device_layer(self) -> Samples:
        """The device layer's unmap(), and how much of it is the kernel's."""
        ways: dict[str, Callable[[Mapping], int]] = {
            "Mapping.unmap()": lambda mapping: mapping.unmap().ioctl_ns,
            "Mapping.unmap(out=None)": lambda mapping: mapping.unmap(out=None).ioctl_ns,
        }
        rows: Samples = {}
        with open_gpu() as gpu, gpu.alloc(SIZE) as buffer, gpu.reserve(SIZE) as place:

            def unmap(way: Callable[[Mapping], int]) -> tuple[float, float]:
                mapping = place.map(buffer)
                _pass_time(PAUSE_NS)
                start = time.perf_counter_ns()
                ioctl_ns = way(mapping)
                elapsed = time.perf_counter_ns() - start
                return elapsed / 1000, (elapsed - ioctl_ns) / 1000

            def syncobj() -> float:
                start = time.perf_counter_ns()
                gpu.syncobj().close()
                return (time.perf_counter_ns() - start) / 1000

            for name, way in ways.items():
                samples = [unmap(way) for _ in range(WARM_UP + self.count)][WARM_UP:]
                rows[name] = [whole for whole, _ in samples]
                rows[f"{name}: without its GEM_VA"] = [rest for _, rest in samples]
            rows["create + destroy of a syncobj"] = self._repeat(syncobj)
        return rows

    def _repeat(self, sample: Callable[[], float]) -> list[float]:
        return [sample() for _ in range(WARM_UP + self.count)][WARM_UP:]


def _pass_time(ns: int) -> None:
    """Do nothing, busily, as a client would compute."""
    if ns:
        end = time.perf_counter_ns() + ns
        while time.perf_counter_ns() < end:
            pass


def main() -> None:
    """Print the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", required=True)
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--cpu", type=int, help="pin the client there")
    options = parser.parse_args()
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    json.dump(Calls(options.samples, options.gpu).all(), sys.stdout)


if __name__ == "__main__":
    main()
