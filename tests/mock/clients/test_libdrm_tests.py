# SPDX-License-Identifier: MIT
"""libdrm's own programs (Debian: libdrm-tests)."""

import re
import shlex

from .running import RunClient, program


def test_drmdevice_lists_every_gpu_of_the_machine(run_client: RunClient) -> None:
    """Bus, vendor and device of both GPUs are found; every node can be opened."""
    outcome = run_client(["navi31", "mi300x"], program("libdrm-tests", "drmdevice"))
    parts = outcome.output.split("--- Opening device node ")[1:]
    found = {part.split()[0]: re.findall(r" (bus|vendor_id|device_id) +(\w+)", part)[:3] for part in parts}
    navi31 = [("bus", "03"), ("vendor_id", "1002"), ("device_id", "744c")]
    mi300x = [("bus", "07"), ("vendor_id", "1002"), ("device_id", "74a1")]
    assert found["/dev/dri/card0"] == found["/dev/dri/renderD128"] == navi31
    assert found["/dev/dri/card1"] == found["/dev/dri/renderD129"] == mi300x


def test_amdgpu_stress_copies_between_vram_and_gtt(run_client: RunClient) -> None:
    """Buffers are allocated where they were asked for, and every SDMA copy between them ends."""
    sizes = shlex.split("-b v 1m -b g 1m -b vg 64k")
    copies = shlex.split("-c 1 2 1m 100 -c 2 1 1m 100 -c 3 1 64k 10")
    outcome = run_client("navi21", program("libdrm-tests", "amdgpu_stress"), *sizes, *copies)
    allocated = re.findall(r"Allocated BO number (\d) at 0x\w+, domain 0x(\d), size (\d+)", outcome.output)
    assert allocated[1:] == [("1", "4", "1048576"), ("2", "2", "1048576"), ("3", "6", "65536")]
    submitted = re.findall(r"Submitted (\d+) IBs to copy from (\d)\(\w+\) to (\d)\(\w+\) +(\d+) bytes", outcome.output)
    assert submitted == [("100", "1", "2", "1048576"), ("100", "2", "1", "1048576"), ("10", "3", "1", "65536")]
