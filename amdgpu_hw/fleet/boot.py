# SPDX-License-Identifier: MIT
"""Has a box run the kernel that an order needs, and waits for a box that is not there yet."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path

from amdgpu_hw.fleet.box import Box, BoxFailed, Unreachable
from amdgpu_hw.fleet.events import Note, Phase
from amdgpu_hw.fleet.plan import PlannedKernel, TimeLimits
from amdgpu_hw.fleet.remote import Hello, Remote

__all__ = ("boot_kernel", "wait_for_box")

_RETRY_S = 2.0
_BOOT_COMMAND_S = 300
_TRIES = 2
"""A boot entry that is chosen for one boot may be lost, e.g. by a firmware that reboots once more."""


def wait_for_box(box: Box, remote: Remote, within_s: float, wait: Callable[[float], None]) -> Hello:
    """What the box says of itself once it can be reached. Raises `Unreachable` when it is away for too long."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return remote.hello()
        except Unreachable:
            if time.monotonic() > deadline:
                raise
        wait(min(_RETRY_S, within_s / 10))
        try:
            box.reconnect()
        except Unreachable:
            if time.monotonic() > deadline:
                raise


def boot_kernel(
    kernel: PlannedKernel,
    box: Box,
    remote: Remote,
    limits: TimeLimits,
    wait: Callable[[float], None],
    tell: Callable[[Note], None],
) -> str:
    """Have the box run a kernel; returns what is wrong, or an empty text.

    Raises `Unreachable`, `BoxFailed`, and `HeldByOther` where that would end somebody else's run.
    """
    hello = wait_for_box(box, remote, limits.away, wait)
    if not kernel.release or hello.release == kernel.release:
        return ""
    if not kernel.boot:
        return f"Linux {hello.release} runs there instead of {kernel.release}, and the plan has no boot command for it"
    hello.require_free()
    files = remote.put_file(Path(kernel.files)) if kernel.files else ""
    for _ in range(_TRIES):
        tell(Note(Phase.BOOT, f"Linux {kernel.release}"))
        _reboot(kernel, files, box)
        hello = _wait_for_boot(hello.boot_id, box, remote, limits, wait, tell)
        if hello.release == kernel.release:
            return ""
        tell(Note(Phase.BOOT, f"Linux {hello.release} came up instead of {kernel.release}"))
    return f"Linux {hello.release} was booted instead of {kernel.release}, {_TRIES} times"


def _reboot(kernel: PlannedKernel, files: str, box: Box) -> None:
    """Run the command that reboots the box; it may well take the connection with it."""
    try:
        status, _, complaint = box.run(f"FILES={shlex.quote(files)}; export FILES; {kernel.boot}", _BOOT_COMMAND_S)
    except Unreachable:
        return
    if status:
        last = (complaint.strip() or "nothing was said about it").splitlines()[-1]
        raise BoxFailed(f"the boot command of kernel '{kernel.name}' ended with {status}: {last}")


def _wait_for_boot(
    boot_id: str,
    box: Box,
    remote: Remote,
    limits: TimeLimits,
    wait: Callable[[float], None],
    tell: Callable[[Note], None],
) -> Hello:
    """Wait until the box has booted anew; cycle its power once if it does not come back."""
    for is_last in (not box.has_power, True):
        deadline = time.monotonic() + limits.boot
        while time.monotonic() < deadline:
            wait(_RETRY_S)
            try:
                box.reconnect()
                hello = remote.hello()
            except Unreachable:
                continue
            if hello.boot_id != boot_id:
                return hello
        if is_last:
            break
        tell(Note(Phase.POWER, "it did not come back from the reboot: switched off and on"))
        box.power_cycle()
    raise BoxFailed(f"it did not come back within {limits.boot:g} s after a reboot")
