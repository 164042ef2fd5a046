# SPDX-License-Identifier: MIT
"""The monitor of a QEMU without a guest."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.monitor import end_when_reset, press_reset
from amdgpu_hw.guest.processes import Child, wait_for_socket
from amdgpu_hw.guest.tools import find_tools
from tests.guest.machine.requirements import why_not

TIMEOUT_S = 60


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_reset_is_no_end_even_where_a_reboot_is(tmp_path: Path) -> None:
    """As often as wanted; then one ends QEMU again."""
    monitor = tmp_path / "monitor"
    command = [*find_tools().qemu, "-nodefaults", "-no-reboot", "-display", "none", "-S", "-accel", "tcg"]
    qemu = Child("QEMU", [*command, "-qmp", f"unix:{monitor},server=on,wait=off"], tmp_path / "log")
    try:
        wait_for_socket(monitor, qemu, TIMEOUT_S, lambda: None)
        for _ in range(2):
            press_reset(monitor, TIMEOUT_S)
        assert not qemu.wait(0.2), qemu.how()
        end_when_reset(monitor, TIMEOUT_S)
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(monitor))
            plain.sendall(b'{"execute": "qmp_capabilities"}{"execute": "system_reset"}')
            assert qemu.wait(TIMEOUT_S)
    finally:
        qemu.end()


def test_a_qemu_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    """Bounded in time; and so is one that is gone."""
    monitor = tmp_path / "monitor"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(monitor))
        silent.listen(1)
        before = time.monotonic()
        with pytest.raises(HarnessError, match=r"did not reset the guest machine within 0\.5 s"):
            press_reset(monitor, 0.5)
        assert time.monotonic() - before < TIMEOUT_S / 2
    with pytest.raises(HarnessError, match="did not reset the guest machine: "):
        press_reset(monitor, TIMEOUT_S)
