# SPDX-License-Identifier: MIT
"""A result of a guest machine says that its kernel is real and its GPU is not, whoever started the run."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from amdgpu_hw.guest.identity import SUBSYSTEM_DEVICE, SUBSYSTEM_VENDOR, vbios_part_number
from amdgpu_hw.verdict import machine as label
from amdgpu_hw.verdict.expectation_files import subject
from amdgpu_hw.verdict.machine import ENVIRONMENT, this_machine
from amdgpu_hw.verdict.results import Results
from amdgpu_hw.verdict.table import verdict_text

AMD = 0x1002


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's render nodes; there are none yet."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.delenv("AMDGPU_HW_MOCK", raising=False)
    monkeypatch.setattr(label, "_RENDER_NODES", tmp_path)
    return tmp_path


def add_gpu(sysfs: Path, minor: int, vendor: int, device: int, part_number: str = "113-D0500100-102") -> None:
    """As PCI and amdgpu show a GPU."""
    directory = sysfs / f"renderD{minor}" / "device"
    directory.mkdir(parents=True)
    (directory / "subsystem_vendor").write_text(f"{vendor:#06x}\n")
    (directory / "subsystem_device").write_text(f"{device:#06x}\n")
    (directory / "vbios_version").write_text(f"{part_number}\n")


def add_modelled(sysfs: Path, minor: int = 128, name: str = "vega10") -> None:
    """As one of ours shows itself."""
    add_gpu(sysfs, minor, SUBSYSTEM_VENDOR, SUBSYSTEM_DEVICE, vbios_part_number(name))


def test_a_modelled_gpu_is_never_reported_as_a_real_one(sysfs: Path) -> None:
    """By its PCI function alone: nothing in the environment says so."""
    add_modelled(sysfs)
    machine = this_machine()
    assert machine.words == "GUEST: REAL KERNEL, MODELLED GPU"
    assert machine.guest_gpus == ("vega10",)
    assert (machine.kernel_is_real, machine.gpu_is_real, machine.is_mock) == (True, False, False)
    assert "modelled vega10 under the real kernel Linux" in machine.sentence
    assert "not on any GPU" in machine.sentence


def test_a_real_gpu_is_one(sysfs: Path) -> None:
    """With a board maker's subsystem IDs, or AMD's own, or none (vgem)."""
    add_gpu(sysfs, 128, AMD, 0x6B76)
    (sysfs / "renderD129/device").mkdir(parents=True)
    assert this_machine().words == "REAL GPU"


def test_one_modelled_gpu_among_real_ones_is_enough(sysfs: Path) -> None:
    """Which of them a run used is not known here: rather too careful than wrong."""
    add_gpu(sysfs, 128, AMD, 0x6B76)
    add_modelled(sysfs, 129, "mi300x")
    machine = this_machine()
    assert (machine.words, machine.guest_gpus) == ("GUEST: REAL KERNEL, MODELLED GPU", ("mi300x",))


def test_a_modelled_gpu_without_a_name_is_one_all_the_same(sysfs: Path) -> None:
    """E.g. under a driver that shows no VBIOS."""
    add_modelled(sysfs)
    (sysfs / "renderD128/device/vbios_version").unlink()
    assert this_machine().guest_gpus == ("GPU",)


def test_a_mock_machine_is_a_mock_wherever_it_runs(sysfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a guest machine as well."""
    add_modelled(sysfs)
    monkeypatch.setenv(ENVIRONMENT, '{"gpus": ["navi31"], "kernel": "base"}')
    machine = this_machine()
    assert (machine.words, machine.guest_gpus) == ("MOCK", ())
    assert (machine.kernel_is_real, machine.gpu_is_real) == (False, False)


def test_result_files_and_the_table_say_both(sysfs: Path) -> None:
    """What is real and what is not, as facts and in words."""
    add_modelled(sysfs)
    results = Results(this_machine(), ["amdgpu-hw", "validate"], {})
    told = results.machine.to_json()
    assert (told["kernel_is_real"], told["gpu_is_real"]) == (True, False)
    assert " GUEST: REAL KERNEL, MODELLED GPU " in verdict_text(results, 120, colour=False)


def test_expectations_know_a_modelled_gpu_by_its_models_name(sysfs: Path) -> None:
    """And the kernel by its release, as on a real machine: the same files serve both."""
    add_modelled(sysfs)
    gpu = {"name": "AMD Radeon RX Vega", "gc_version": (9, 0, 1)}
    about = subject(this_machine(), gpu)
    assert about.gpus[0] == "vega10"
    assert (about.kernel, about.exact) == (platform.release(), False)
