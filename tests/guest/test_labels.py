# SPDX-License-Identifier: MIT
"""A result of a guest machine says that its kernel is real and its GPU is not, whoever started the run."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from amdgpu_hw import on_guest
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.guest.identity import SUBSYSTEM_DEVICE, SUBSYSTEM_VENDOR, vbios_part_number
from amdgpu_hw.guest.patched_source import Recipe
from amdgpu_hw.guest.session import GuestOptions
from amdgpu_hw.verdict import machine as label
from amdgpu_hw.verdict.expectation_files import subject
from amdgpu_hw.verdict.machine import ENVIRONMENT, GUEST_MODULE, GivenModule, this_machine
from amdgpu_hw.verdict.results import Results
from amdgpu_hw.verdict.table import verdict_text

AMD = 0x1002


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's render nodes; there are none yet."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.delenv("AMDGPU_HW_MOCK", raising=False)
    monkeypatch.delenv(GUEST_MODULE, raising=False)
    monkeypatch.setattr(label, "_RENDER_NODES", tmp_path)
    monkeypatch.setattr(label, "_BUILD_ID", tmp_path / "build-id")
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


GIVEN = GivenModule("/cache/amdgpu-7.3.4-mine-0123.ko", ("[PATCH] drm/amdgpu: mine (abc)",), ("edits-of-mine (def)",))


def test_a_result_names_the_module_that_was_given(sysfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was built from, and the ID of what the kernel has really loaded."""
    add_modelled(sysfs)
    assert this_machine().guest_module is None
    monkeypatch.setenv(GUEST_MODULE, json.dumps(asdict(GIVEN)))
    (sysfs / "build-id").write_bytes(b"\4\0\0\0\x14\0\0\0\3\0\0\0GNU\0" + bytes(range(20)))
    machine = this_machine()
    assert machine.guest_module == GIVEN
    assert machine.driver_build_id == bytes(range(20)).hex()
    assert "with amdgpu-7.3.4-mine-0123.ko: a verdict on that kernel" in machine.sentence
    text = verdict_text(Results(machine, [], {}), 160, False)
    assert "[PATCH] drm/amdgpu: mine (abc)" in text
    assert "edits-of-mine (def)" in text
    assert machine.driver_build_id in text
    assert machine.to_json()["guest_module"]["patches"] == GIVEN.patches


def test_of_a_module_that_somebody_else_built_only_the_name_is_told() -> None:
    """Nothing is made up."""
    assert GivenModule("/x/amdgpu.ko").words == "amdgpu.ko (what it was built from is not known)"


class Machine:
    """A guest machine that is none."""

    words = trouble = ""
    bound = 1

    def __init__(self, options: GuestOptions) -> None:
        pass

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run nothing."""
        return 0


@pytest.mark.parametrize(("bound", "status"), [(0, ExitStatus.UNUSABLE), (1, 0)])
def test_what_needs_a_gpu_is_not_run_where_the_driver_took_none(
    bound: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of two is enough for it; others may want to look why."""

    class Troubled(Machine):
        trouble = "amdgpu has not taken all GPUs"

    monkeypatch.setattr(Troubled, "bound", bound)
    monkeypatch.setattr(on_guest, "GuestMachine", Troubled)
    options = GuestOptions(console=tmp_path / "console")
    assert on_guest.run_on_guest(["true"], options, needs_gpu=True) == status
    assert on_guest.run_on_guest(["true"], options) == 0
    assert capsys.readouterr().err.count("amdgpu-hw: amdgpu has not taken all GPUs\n") == 2


def test_the_guest_is_told_which_module_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes the report runs in it, and cannot know."""
    seen: list[Mapping[str, str]] = []

    class Seen(Machine):
        def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
            seen.append(environment)
            return 0

    monkeypatch.setattr(on_guest, "GuestMachine", Seen)
    module = tmp_path / "amdgpu-7.3.4-mine-0123.ko"
    Recipe(GIVEN.patches, GIVEN.edits).write(module)
    for amdgpu in (module, None):
        assert on_guest.run_on_guest(["true"], GuestOptions(amdgpu=amdgpu, console=tmp_path / "console")) == 0
    assert json.loads(seen[0][GUEST_MODULE]) == {
        "file": str(module),
        "patches": list(GIVEN.patches),
        "edits": list(GIVEN.edits),
    }
    assert GUEST_MODULE not in seen[1]
