# SPDX-License-Identifier: MIT
"""Finding and choosing GPUs, on machines that umockdev describes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw import discovery
from amdgpu_hw.errors import NodePermission, NoGpu, NotAmdgpu


def pci_device(slot: str, driver: str, pci_id: str, model: str) -> str:
    """A PCI device with a driver, as umockdev describes it."""
    return (
        f"P: /devices/pci0000:00/{slot}\nE: SUBSYSTEM=pci\nE: PCI_SLOT_NAME={slot}\nE: PCI_ID={pci_id}\n"
        f"E: ID_MODEL_FROM_DATABASE={model}\nL: driver=../../../bus/pci/drivers/{driver}\n\n"
    )


def node(slot: str, name: str, minor: int) -> str:
    """A DRM node of that device."""
    return (
        f"P: /devices/pci0000:00/{slot}/drm/{name}\nN: dri/{name}\nE: DEVNAME=/dev/dri/{name}\n"
        f"E: SUBSYSTEM=drm\nE: MAJOR=226\nE: MINOR={minor}\n\n"
    )


INTEL = pci_device("0000:00:02.0", "i915", "8086:9A49", "TigerLake GT2") + node("0000:00:02.0", "renderD128", 128)
NAVI31 = (
    pci_device("0000:03:00.0", "amdgpu", "1002:744C", "Navi 31 [Radeon RX 7900 XT/7900 XTX/7900M]")
    + node("0000:03:00.0", "card1", 1)
    + node("0000:03:00.0", "renderD130", 130)
)
NAVI21 = (
    pci_device("0000:0a:00.0", "amdgpu", "1002:73BF", "Navi 21 [Radeon RX 6800/6800 XT / 6900 XT]")
    + node("0000:0a:00.0", "card2", 2)
    + node("0000:0a:00.0", "renderD129", 129)
)

SCRIPT = """
import json, sys
from amdgpu_hw import discovery, errors
def choose(selector):
    try:
        return discovery.select_gpu(selector).node
    except errors.HarnessError as error:
        return [type(error).__name__, str(error)]
print(json.dumps({
    "nodes": [(g.node, g.primary_node, g.pci_address, g.pci_id) for g in discovery.list_gpus()],
    "chosen": {selector or "": choose(selector) for selector in (None, *sys.argv[1:])},
}))
"""


@pytest.fixture
def machine(tmp_path: Path) -> Any:
    """Run discovery on a machine with these devices: what it lists, and what each selector chooses."""

    def run(devices: str, *selectors: str) -> dict[str, Any]:
        description = tmp_path / "machine.umockdev"
        description.write_text(devices)
        command = ["umockdev-run", "-d", str(description), "--", sys.executable, "-c", SCRIPT, *selectors]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer

    return run


def test_amdgpu_gpus_are_listed_in_the_order_of_their_nodes(machine: Any) -> None:
    """Every amdgpu render node with its primary node and PCI address; other drivers' GPUs are not."""
    assert machine(INTEL + NAVI31 + NAVI21)["nodes"] == [
        ["/dev/dri/renderD129", "/dev/dri/card2", "0000:0a:00.0", [0x1002, 0x73BF]],
        ["/dev/dri/renderD130", "/dev/dri/card1", "0000:03:00.0", [0x1002, 0x744C]],
    ]


def test_a_gpu_is_chosen_by_address_node_number_or_name(machine: Any) -> None:
    """All the ways to name one GPU lead to it; no selector means the first."""
    selectors = [
        "0000:03:00.0",
        "03:00.0",
        "130",
        "renderD130",
        "/dev/dri/renderD130",
        "/dev/dri/card1",
        "navi31",
        "7900 xtx",
    ]
    chosen = machine(INTEL + NAVI31 + NAVI21, *selectors)["chosen"]
    assert chosen.pop("") == "/dev/dri/renderD129"
    assert chosen == dict.fromkeys(selectors, "/dev/dri/renderD130")


def test_a_selector_that_fits_no_gpu_is_told_what_there_is(machine: Any) -> None:
    """The message names the GPUs of the machine."""
    kind, message = machine(NAVI31, "vega")["chosen"]["vega"]
    assert kind == "NoGpu"
    assert "'vega'" in message
    assert "/dev/dri/renderD130 (0000:03:00.0, Navi 31" in message


def test_a_selector_that_fits_several_gpus_is_refused(machine: Any) -> None:
    """Half a name is not an invitation to guess."""
    kind, message = machine(NAVI31 + NAVI21, "radeon")["chosen"]["radeon"]
    assert kind == "NoGpu"
    assert "0000:0a:00.0 and 0000:03:00.0" in message


def test_a_machine_with_other_gpus_only(machine: Any) -> None:
    """The message says whose the nodes are."""
    kind, message = machine(INTEL)["chosen"][""]
    assert kind == "NoGpu"
    assert "/dev/dri/renderD128 is driven by i915" in message


def test_a_machine_without_any_gpu(machine: Any) -> None:
    """The message says that there is none, and what to do."""
    kind, message = machine(pci_device("0000:00:1f.0", "isa", "8086:1", "ISA bridge"))["chosen"][""]
    assert kind == "NoGpu"
    assert "there is no render node at all" in message
    assert "--mock" in message


def amd_gpu(slot: str, driver: str = "", kind: str = "30000") -> str:
    """An AMD GPU on the PCI bus, with a driver or none, and no node."""
    link = f"L: driver=../../../bus/pci/drivers/{driver}\n" if driver else ""
    return (
        f"P: /devices/pci0000:00/{slot}\nE: SUBSYSTEM=pci\nE: PCI_SLOT_NAME={slot}\nE: PCI_ID=1002:744C\n"
        f"E: PCI_CLASS={kind}\nE: ID_MODEL_FROM_DATABASE=Navi 31\n{link}\n"
    )


@pytest.mark.parametrize(
    ("devices", "says"),
    [
        (amd_gpu("0000:03:00.0"), "0000:03:00.0 (Navi 31, 1002:744c) is bound to no driver, and amdgpu is not loaded"),
        (
            amd_gpu("0000:03:00.0") + pci_device("0000:0a:00.0", "amdgpu", "1002:73BF", "Navi 21"),
            "0000:03:00.0 (Navi 31, 1002:744c) is bound to no driver although amdgpu is loaded: its probe failed",
        ),
        (amd_gpu("0000:03:00.0", "vfio-pci"), "is bound to the driver vfio-pci, not to amdgpu"),
        (amd_gpu("0000:03:00.0", "amdgpu", "120000"), "is bound to amdgpu and has no render node"),
        (INTEL + amd_gpu("0000:03:00.0"), "/dev/dri/renderD128 is driven by i915; 0000:03:00.0"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_named(machine: Any, devices: str, says: str) -> None:
    """With its driver, and what to look at."""
    kind, message = machine(devices)["chosen"][""]
    assert kind == "NoGpu"
    assert says in message


def test_what_is_no_gpu_of_amds_is_not_named(machine: Any) -> None:
    """Its sound function, for example."""
    _, message = machine(amd_gpu("0000:03:00.1", kind="40300"))["chosen"][""]
    assert "0000:03:00.1" not in message


def test_a_node_that_does_not_exist(machine: Any) -> None:
    """A wrong path is called that."""
    kind, message = machine(NAVI31, "/dev/dri/renderD199")["chosen"]["/dev/dri/renderD199"]
    assert kind == "NoGpu"
    assert "/dev/dri/renderD199 does not exist" in message


def test_a_file_that_is_no_gpu() -> None:
    """Opening something that is no DRM node says so."""
    with pytest.raises(NotAmdgpu, match="/dev/null is not a DRM device node"):
        discovery.open_node("/dev/null")


def test_a_node_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says whose it is, and what to do."""

    def refuse(*_args: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(NodePermission, match=r"no permission to open /dev/null \(root:root, crw-rw-rw-\): "):
        discovery.open_node("/dev/null")


def test_a_node_that_vanished() -> None:
    """A GPU that was unplugged after listing is not there any more."""
    with pytest.raises(NoGpu, match="No such file"):
        discovery.open_node("/dev/dri/renderD-gone")
