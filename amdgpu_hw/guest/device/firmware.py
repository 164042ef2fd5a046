# SPDX-License-Identifier: MIT
"""Firmware files of our own: valid headers, and a payload of zeros that nothing executes. No vendor's bytes.

    python -m amdgpu_hw.guest.device.firmware DIRECTORY --gpu NAME

writes DIRECTORY/amdgpu/*.bin. The guest's kernel finds them with firmware_class.path=DIRECTORY. What the files would do
on hardware the model does itself. Layouts are those of amdgpu_ucode.h; the versions are those of the GPU's TOML file.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from amdgpu_hw.gpu_model.gpus import ModelIdentity, UnknownGpu, load_identity

__all__ = ("FIRMWARE", "PAYLOAD", "firmware_files", "main", "write_firmware")

COMMON_HEADER = struct.Struct("<IIHHHHIIII")
"""common_firmware_header: sizes of file and header, header version, IP version, version, payload: size, place, CRC."""
PAYLOAD = bytes(64)
PAYLOAD_ALIGNMENT = 256
MES_CODE, MES_VERSION_AT = 128, 96
"""Bytes of it, and where in them the driver looks for the version (amdgpu_mes_init_microcode)."""


def _file(header: tuple[int, int], ip: tuple[int, int], version: int, more: bytes, payload: bytes = PAYLOAD) -> bytes:
    size = COMMON_HEADER.size + len(more)
    at = -(-size // PAYLOAD_ALIGNMENT) * PAYLOAD_ALIGNMENT
    begin = COMMON_HEADER.pack(at + len(payload), size, *header, *ip, version, len(payload), at, 0)
    return (begin + more).ljust(at, b"\0") + payload


def _gfx(identity: ModelIdentity, name: str) -> bytes:
    """gfx_firmware_header_v1_0: feature version, jump table."""
    version, feature = identity.firmware.get(name, (1, 1))
    return _file((1, 0), identity.gc.block, version, struct.pack("<III", feature, 0, 0))


def _rs64(identity: ModelIdentity, name: str) -> bytes:
    """gfx_firmware_header_v2_0: feature version, code and data of a RS64 processor: size and place, start address."""
    version, feature = identity.firmware.get(name, (1, 1))
    at = PAYLOAD_ALIGNMENT
    more = struct.pack("<7I", feature, len(PAYLOAD), at, len(PAYLOAD), at + len(PAYLOAD), 0, 0)
    return _file((2, 0), identity.gc.block, version, more, PAYLOAD * 2)


def _imu(identity: ModelIdentity, _name: str) -> bytes:
    """imu_firmware_header_v1_0: its instructions and its data, one behind the other."""
    version, _ = identity.firmware.get("imu", (1, 0))
    at = PAYLOAD_ALIGNMENT
    more = struct.pack("<4I", len(PAYLOAD), at, len(PAYLOAD), at + len(PAYLOAD))
    return _file((1, 0), identity.gc.block, version, more, PAYLOAD * 2)


def _mes(identity: ModelIdentity, _name: str) -> bytes:
    """mes_firmware_header_v1_0: version, size and place of code and of data, start addresses."""
    version, _ = identity.firmware["mes"]
    code = bytearray(MES_CODE)
    struct.pack_into("<I", code, MES_VERSION_AT, version)
    at = PAYLOAD_ALIGNMENT
    more = struct.pack("<10I", version, len(code), at, version, len(PAYLOAD), at + len(code), 0, 0, 0, 0)
    return _file((1, 0), identity.gc.block, version, more, bytes(code) + PAYLOAD)


def _sdma_threads(identity: ModelIdentity, _name: str) -> bytes:
    """sdma_firmware_header_v2_0: the code of both threads and their jump tables."""
    version, feature = identity.firmware.get("sdma", (1, 1))
    at, size = PAYLOAD_ALIGNMENT, len(PAYLOAD)
    more = struct.pack("<8I", feature, size, size, 0, at + size, size, size, 0)
    return _file((2, 0), identity.sdma.block, version, more, PAYLOAD * 2)


def _rlc(identity: ModelIdentity, _name: str) -> bytes:
    """rlc_firmware_header_v2_0: feature version, then lists to save and restore, all empty."""
    version, feature = identity.firmware.get("rlc", (1, 1))
    return _file((2, 0), identity.gc.block, version, struct.pack("<18I", feature, *[0] * 17))


def _sdma(identity: ModelIdentity, _name: str) -> bytes:
    """sdma_firmware_header_v1_0: feature version, change, jump table; from version 430 on there are page queues."""
    version, feature = identity.firmware.get("sdma", (1, 1))
    return _file((1, 0), identity.sdma.block, version, struct.pack("<IIII", feature, 0, 0, 0))


def _smc(identity: ModelIdentity, _name: str) -> bytes:
    """smc_firmware_header_v1_0: the start address. The driver loads the file (smu_v11_0_load_microcode)."""
    version, _ = identity.firmware.get("smc", (1, 0))
    return _file((1, 0), (11, 0), version, struct.pack("<I", 0))


def _gpu_info(identity: ModelIdentity, _name: str) -> bytes:
    """gpu_info_firmware_v1_0: the topology of GPUs without discovery data (amdgpu_device_parse_gpu_info_fw)."""
    topology = identity.topology
    arrays = topology.shader_engines * topology.arrays_per_engine
    info = struct.pack(
        "<15I",
        topology.shader_engines,
        topology.cus_per_array,
        topology.arrays_per_engine,
        topology.num_rb * topology.arrays_per_engine // arrays if arrays else 0,
        topology.num_tcc,
        topology.vgprs,
        topology.gs_waves,
        topology.gs_table_depth,
        topology.gs_prim_depth,
        2048,  # parameter cache
        topology.double_offchip_lds,
        topology.wave_size,
        10,  # waves of a SIMD
        32,  # scratch slots of a CU
        64,  # KiB of LDS
    )
    return _file((1, 0), identity.gc.block, 1, struct.pack("<HH", 1, 0), info)


FIRMWARE: dict[str, dict[str, Callable[[ModelIdentity, str], bytes]]] = {
    "vega10": {
        "vega10_gpu_info": _gpu_info,
        "vega10_pfp": _gfx,
        "vega10_me": _gfx,
        "vega10_ce": _gfx,
        "vega10_mec": _gfx,
        "vega10_mec2": _gfx,
        "vega10_rlc": _rlc,
        "vega10_sdma": _sdma,
        "vega10_sdma1": _sdma,
    },
    "navi21": {
        **{f"sienna_cichlid_{name}": _gfx for name in ("pfp", "me", "ce", "mec", "mec2")},
        "sienna_cichlid_rlc": _rlc,
        "sienna_cichlid_sdma": _sdma,
        "sienna_cichlid_smc": _smc,
    },
    "navi31": {
        **{f"gc_11_0_0_{name}": _rs64 for name in ("pfp", "me", "mec")},
        "gc_11_0_0_rlc": _rlc,
        "gc_11_0_0_imu": _imu,
        **{f"gc_11_0_0_{name}": _mes for name in ("mes_2", "mes", "mes1")},
        "sdma_6_0_0": _sdma_threads,
        "smu_13_0_0": _smc,
    },
    "mi300x": {"gc_9_4_3_mec": _gfx, "gc_9_4_3_sjt_mec": _gfx, "gc_9_4_3_rlc": _rlc, "sdma_4_4_2": _sdma},
}
"""GPU -> name of each file the driver asks for, and what makes it."""


def firmware_files(gpu: str) -> dict[str, bytes]:
    """Return the files of a GPU: name below the firmware directory -> content."""
    identity = load_identity(gpu)
    files = {}
    for name, make in FIRMWARE[gpu].items():
        kind = next((kind for kind in ("pfp", "mec", "me", "ce") if f"_{kind}" in name), "")
        files[f"amdgpu/{name}.bin"] = make(identity, kind)
    return files


def write_firmware(directory: Path, gpu: str) -> None:
    """Write the files of a GPU."""
    for name, content in firmware_files(gpu).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def main() -> int:
    """Write the files of the GPUs named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m amdgpu_hw.guest.device.firmware", description="Writes firmware.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--gpu", action="append", required=True, choices=sorted(FIRMWARE))
    arguments = parser.parse_args()
    try:
        for gpu in arguments.gpu:
            write_firmware(arguments.directory, gpu)
    except (OSError, UnknownGpu) as error:
        print(f"firmware: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
