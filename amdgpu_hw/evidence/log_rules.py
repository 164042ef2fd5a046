# SPDX-License-Identifier: MIT
"""What the messages of amdgpu, DRM and the kernel's own checks mean, as data: one `Rule` for each kind of message.

The patterns fit Linux 6.1, 6.12 and 7.3, whose wording differs; each names the function that prints the message. A
pattern finds its text anywhere in a record: what stands before (``amdgpu 0000:03:00.0: amdgpu:``, ``[drm:... ]
*ERROR*``) changed from release to release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

__all__ = ("PCI_ADDRESS", "RULES", "EventKind", "Rule")


class EventKind(Enum):
    """What happened."""

    RING_TIMEOUT = "ring timeout"
    SOFT_RECOVERY = "soft recovery"
    VM_FAULT = "VM fault"
    RESET_BEGIN = "reset begins"
    RESET_SUCCEEDED = "reset succeeded"
    RESET_FAILED = "reset failed"
    VRAM_LOST = "VRAM lost"
    WEDGED = "wedged"
    LOST = "GPU lost"
    BAD_PACKET = "bad packet"
    KERNEL_BUG = "kernel bug"
    PROCESS = "process"
    """Not an event: whose work the one before was."""
    ADDRESS = "address"
    """Not an event: where the VM fault before was."""

    @property
    def is_reset(self) -> bool:
        """Whether the GPU, or a ring of it, was got going again by force, or is about to be."""
        return self in _RESETS


_RESETS = {
    EventKind.RING_TIMEOUT,
    EventKind.SOFT_RECOVERY,
    EventKind.RESET_BEGIN,
    EventKind.RESET_SUCCEEDED,
    EventKind.RESET_FAILED,
    EventKind.VRAM_LOST,
    EventKind.WEDGED,
    EventKind.LOST,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One message: its meaning, text (groups ``ring``, ``pid``, ``process``, ``address``, ``page``), who says it."""

    kind: EventKind
    pattern: re.Pattern[str]
    source: str


def _rule(kind: EventKind, pattern: str, source: str) -> Rule:
    return Rule(kind, re.compile(pattern), source)


PCI_ADDRESS = re.compile(r"\b[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b")
"""The device that a record of dev_err(), dev_info() and drm_info() is about."""

_TASK = r"[Pp]rocess (?!information: )(?P<process>.*) pid (?P<pid>\d+) thread .* pid \d+"

RULES = (
    # Longer texts first: the first rule that fits wins.
    _rule(EventKind.SOFT_RECOVERY, r"ring (?P<ring>\S+) timeout, but soft recovered", "amdgpu_job_timedout"),
    _rule(EventKind.RING_TIMEOUT, r"ring (?P<ring>\S+) timeout, signaled seq=", "amdgpu_job_timedout"),
    _rule(EventKind.RESET_BEGIN, r"Starting (?P<ring>\S+) ring reset", "amdgpu_job_timedout, 7.x"),
    _rule(EventKind.RESET_SUCCEEDED, r"Ring (?P<ring>\S+) reset succeeded", "amdgpu_job_timedout, 7.x"),
    _rule(EventKind.RESET_FAILED, r"Ring (?P<ring>\S+) reset failed", "amdgpu_job_timedout, 7.x"),
    _rule(EventKind.RESET_BEGIN, r"GPU (?:reset|jobs stop) begin!", "amdgpu_device_gpu_recover"),
    _rule(EventKind.RESET_SUCCEEDED, r"GPU reset\(\d+\) succeeded!", "amdgpu_device_gpu_recover"),
    _rule(EventKind.RESET_FAILED, r"GPU reset\(\d+\) failed", "amdgpu_device_gpu_recover"),
    _rule(EventKind.RESET_FAILED, r"GPU reset end with ret = -\d+", "amdgpu_device_gpu_recover"),
    _rule(EventKind.RESET_FAILED, r"GPU Recovery Failed: -?\d+", "amdgpu_job_timedout"),
    _rule(EventKind.RESET_FAILED, r"GPU recovery disabled", "amdgpu_device_should_recover_gpu"),
    _rule(EventKind.RESET_FAILED, r"ring (?P<ring>\S+) test failed \(-?\d+\)", "amdgpu_ring_test_helper"),
    _rule(
        EventKind.VRAM_LOST, r"VRAM is lost due to GPU reset", "amdgpu_do_asic_reset, amdgpu_device_reinit_after_reset"
    ),
    _rule(EventKind.LOST, r"device lost from bus", "amdgpu_device_gpu_recover, 6.12"),
    _rule(EventKind.LOST, r"PCIe error recovery failed", "amdgpu_pci_slot_reset"),
    _rule(EventKind.WEDGED, r"device wedged, ", "drm_dev_wedged_event, 6.15"),
    # 6.1 has the process in the same message, on all GPUs; 6.12 and 7.3 in the next.
    _rule(EventKind.VM_FAULT, rf"page fault \(src_id:\d+ .*for {_TASK}", "gmc_v*_process_interrupt, 6.1"),
    _rule(EventKind.VM_FAULT, r"page fault \(src_id:\d+ ", "gmc_v*_process_interrupt"),
    _rule(EventKind.VM_FAULT, rf"GPU fault detected: \d+ 0x\w+ for {_TASK}", "gmc_v8_0_process_interrupt, 6.1"),
    _rule(EventKind.VM_FAULT, r"GPU fault detected: \d+ 0x", "gmc_v8_0_process_interrupt"),
    _rule(EventKind.ADDRESS, r"in page starting at address 0x(?P<address>[0-9a-f]+)", "gmc_v*_process_interrupt"),
    _rule(
        EventKind.ADDRESS, r"VM_CONTEXT1_PROTECTION_FAULT_ADDR\s+0x(?P<page>[0-9A-F]+)", "gmc_v8_0_process_interrupt"
    ),
    _rule(
        EventKind.BAD_PACKET,
        r"Illegal (?:register access|instruction|opcode) in (?:SDMA )?command stream",
        "gfx_v*, sdma_v*",
    ),
    _rule(EventKind.PROCESS, _TASK, "amdgpu_vm_print_task_info, amdgpu_job_timedout"),
    _rule(
        EventKind.KERNEL_BUG,
        r"^BUG: |^kernel BUG at |^Oops\b|^general protection fault|^Unable to handle kernel",
        "die",
    ),
    _rule(EventKind.KERNEL_BUG, r"^WARNING: (?!.*\btaint)", "__warn, print_circular_bug_header, lockdep"),
    _rule(EventKind.KERNEL_BUG, r"^UBSAN: |^INFO: task .* blocked for more than ", "ubsan_prologue, check_hung_task"),
    _rule(EventKind.KERNEL_BUG, r"self-detected stall|detected stalls on", "print_cpu_stall, print_other_cpu_stall"),
)
"""In the order in which they are tried."""
