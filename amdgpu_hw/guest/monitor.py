# SPDX-License-Identifier: MIT
"""What is told to a QEMU that runs, over the socket of its monitor (QMP)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from qemu.qmp import QMPClient, QMPError

from amdgpu_hw.errors import HarnessError

__all__ = ("end_when_reset", "press_reset")


def press_reset(monitor: Path, timeout_s: float) -> None:
    """Reset the machine as its button does; it is reset, and about to boot, when this returns.

    From now on every reset is one, a panicking kernel's as well, until `end_when_reset`: SeaBIOS, which finds that it
    has run before, begins with one of its own. Raises `HarnessError` if QEMU does not do it within ``timeout_s``
    seconds.
    """
    _talk(monitor, _press_reset, timeout_s)


def end_when_reset(monitor: Path, timeout_s: float) -> None:
    """Have QEMU end at the next reset, as with -no-reboot; raises as `press_reset`."""
    _talk(monitor, lambda qemu: _at_reset(qemu, "shutdown"), timeout_s)


def _talk(monitor: Path, say: Callable[[QMPClient], Awaitable[None]], timeout_s: float) -> None:
    async def connected() -> None:
        qemu = QMPClient("amdgpu-hw")
        await qemu.connect(str(monitor))
        try:
            await say(qemu)
        finally:
            await qemu.disconnect()

    try:
        asyncio.run(asyncio.wait_for(connected(), timeout_s))
    except TimeoutError:
        raise HarnessError(f"QEMU did not reset the guest machine within {timeout_s:g} s") from None
    except QMPError as error:
        raise HarnessError(f"QEMU did not reset the guest machine: {error}") from None


async def _press_reset(qemu: QMPClient) -> None:
    # Otherwise -no-reboot makes an end of this reset, too (qemu_system_reset_request).
    await _at_reset(qemu, "reset")
    with qemu.listener("RESET") as resets:
        await qemu.execute("system_reset")
        await resets.get()


async def _at_reset(qemu: QMPClient, action: str) -> None:
    await qemu.execute("set-action", {"reboot": action})
