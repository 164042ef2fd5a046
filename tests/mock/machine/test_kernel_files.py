# SPDX-License-Identifier: MIT
"""Files of the kernel that programs on a mock machine read: /proc/slabinfo, module parameters."""

from __future__ import annotations

import subprocess
import sys

from amdgpu_hw.mock.machine import Machine

READ = """
from amdgpu_hw.evidence.module_parameters import module_parameter
from amdgpu_hw.evidence.slabinfo import SLABINFO, SlabCache
from amdgpu_hw.errors import FeatureMissing
cache = SlabCache.find("amdgpu_sync_entry")
print(module_parameter("vm_update_mode"), module_parameter("debug_mask"), cache.active(), cache.grain)
counted = int(SLABINFO.read_text().splitlines()[2].split()[1])
print(counted == cache.objects_per_slab * cache.cpus)
for question in (lambda: module_parameter("never_was"), lambda: SlabCache.find("never_was")):
    try:
        question()
    except FeatureMissing as missing:
        print(missing)
"""


def test_parameters_and_slabs_can_be_read(machine: Machine) -> None:
    """Each time as they are now; what is not there is said in a sentence. What CPUs keep counts until it is shrunk."""
    with machine.console() as console:
        console.parameter("debug_mask", 0x44)
        try:
            shown = subprocess.run([sys.executable, "-c", READ], env=machine.environ(), capture_output=True, text=True)
        finally:
            console.parameter("debug_mask", 0)
    assert shown.stdout.splitlines() == [
        "-1 68 0 0",
        "True",
        "the module parameter amdgpu.never_was cannot be read: No such file or directory",
        "/proc/slabinfo has no never_was: it is merged with others, boot with slab_nomerge",
    ], shown.stderr
