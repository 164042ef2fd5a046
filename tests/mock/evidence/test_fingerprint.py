# SPDX-License-Identifier: MIT
"""What a result is a result of, as a mock machine tells it, and what two halves of a run must agree in."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from amdgpu_hw.evidence.fingerprint import differences, taint_letters
from amdgpu_hw.mock.machine import Machine

PROGRAM = """
import json
from amdgpu_hw import open_gpu
from amdgpu_hw.evidence.fingerprint import fingerprint, gpu_facts
with open_gpu() as gpu:
    print(json.dumps(fingerprint(gpu_facts(gpu), "v2")))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """The fingerprint of a mock machine whose driver was given a parameter."""
    with Machine(["navi31"], "base", parameters={"debug_mask": 1}) as machine:
        command = [sys.executable, "-c", PROGRAM]
        answer = subprocess.run(command, env=machine.environ(), capture_output=True, text=True, timeout=60, check=True)
    return dict(json.loads(answer.stdout))


def test_the_kernel_is_the_machines_not_the_hosts(told: dict[str, Any]) -> None:
    """All of it comes through the seam."""
    kernel = told["kernel"]
    assert kernel["release"] == "mock-base"
    assert kernel["version"].startswith("Linux version mock-base")
    assert kernel["command_line"] == "amdgpu_hw.mock=base amdgpu.debug_mask=0x1"
    assert (kernel["config"], kernel["tainted"], kernel["taint"]) == (None, 0, "")


def test_driver_and_gpu_are_told(told: dict[str, Any]) -> None:
    """Parameters, VBIOS, firmware, memory that the CPU sees."""
    assert told["amdgpu"]["parameters"]["debug_mask"] == "1"
    assert told["gpu"]["vbios"]["part_number"].startswith("113-")
    assert {"sdma", "gfx_mec", "gfx_pfp"} <= set(told["gpu"]["firmware"])
    assert told["gpu"]["visible_vram_size"] == told["gpu"]["vram_size"]


def test_who_is_on_the_gpu_and_what_we_are_is_told(told: dict[str, Any]) -> None:
    """The program itself, the library it has loaded, and the suite."""
    assert [client["node"] for client in told["clients"]] == ["/dev/dri/renderD128"]
    assert told["libraries"]["libdrm_amdgpu"]["path"].rpartition("/")[2].startswith("libdrm_amdgpu.so.1")
    assert len(told["suite"]["sha256"]) == 64
    assert told["patch_id"] == "v2"


def test_taint_is_decoded() -> None:
    """By bit, as an oops prints it."""
    assert taint_letters(0) == ""
    assert taint_letters(1 << 12 | 1 << 13 | 1 << 9) == "WOE"
    assert taint_letters(1 << 19) == "J"
    assert taint_letters(1 << 20 | 1) == "P+0x100000"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (("kernel", "release"), "kernel release other instead of mock-base"),
        (("kernel", "config"), "kernel config other instead of none"),
        (("amdgpu", "parameters"), "amdgpu parameters other instead of debug_mask=1"),
        (("gpu", "device_id"), "gpu device id other instead of 29772"),
        (("suite", "sha256"), "suite sha256 other instead of"),
        (("patch_id",), "patch id other instead of v2"),
    ],
)
def test_another_kernel_gpu_or_suite_differs(told: dict[str, Any], path: tuple[str, ...], words: str) -> None:
    """In words, once."""
    other = json.loads(json.dumps(told))
    place = other
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = "other"
    (difference,) = differences(told, other)
    assert difference.startswith(words)
    assert differences(told, told) == []


def test_a_reboot_and_other_clients_do_not_differ(told: dict[str, Any]) -> None:
    """A run may go on after them."""
    other = told | {"clients": [], "kernel": told["kernel"] | {"tainted": 512, "taint": "W", "command_line": "quiet"}}
    assert differences(told, other) == []
