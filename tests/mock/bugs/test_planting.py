# SPDX-License-Identifier: MIT
"""Planted bugs: found by name, planted wherever the kernel looks, and lifted again without a trace."""

from __future__ import annotations

import gc
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.gpu_model.gpus import gpu_names
from amdgpu_hw.mock import planting
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem import va as gem_va
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import (
    types as vm_types,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import (
    update_ctx,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import (
    vm as amdgpu_vm,
)
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.planting import (
    Bug,
    PlantedBug,
    Replacement,
    UnknownBug,
    bug_names,
    kernel_of,
    load_bug,
    plant,
    replaces,
    with_bugs,
)
from amdgpu_hw.mock.variants import DEFAULT_VARIANT, VARIANTS, get_variant
from amdgpu_hw.uapi import amdgpu_drm as drm

ALL = bug_names()


def bug(*replacements: Replacement) -> PlantedBug:
    """A bug that is in no file."""
    return PlantedBug("made_here", "Made by a test.", Bug(caught_by=("B01",)), replacements)


@pytest.mark.parametrize("name", ALL)
def test_every_file_is_a_bug(name: str) -> None:
    """It says in a line what is wrong, names rows, and changes something that a kernel variant or module has."""
    planted = load_bug(name)
    assert planted.description.endswith("."), "the first line of the docstring is the description"
    assert len(planted.description) <= 120
    assert planted.bug.caught_by or planted.bug.equivalent, "neither a row nor a reason why there is none"
    assert planted.replacements or planted.changes or planted.bug.variant, "it changes nothing"
    assert planted.bug.kernel in VARIANTS
    assert planted.bug.gpu in gpu_names()
    variant = get_variant(planted.bug.kernel)
    assert not planted.bug.variant or with_bugs(variant, [planted]) != variant, "the kernel is so already"


@pytest.mark.parametrize("name", ALL)
def test_no_table_keeps_a_function_that_a_bug_replaces(name: str) -> None:
    """A table made when its module was imported would go on with the sound function."""
    for replacement in load_bug(name).replacements:
        for holder in gc.get_referrers(replacement.target):
            assert not isinstance(holder, tuple | list), f"{replacement.target.__name__} is in {holder!r:.200}"


def test_a_function_is_replaced_wherever_it_was_imported_to(lifted: list[Callable[[], None]]) -> None:
    """Importing a name makes a copy that an assignment to the defining module would not reach."""
    sound = update_ctx.amdgpu_vm_is_bo_always_valid

    @replaces(sound)
    def nobody(original: object, vm: object, bo: object) -> bool:
        return False

    lift = plant([bug(nobody)])
    lifted.append(lift)
    for module in (update_ctx, amdgpu_vm, gem_va):
        assert vars(module)["amdgpu_vm_is_bo_always_valid"] is not sound, module
    lift()
    for module in (update_ctx, amdgpu_vm, gem_va):
        assert vars(module)["amdgpu_vm_is_bo_always_valid"] is sound, module


def test_a_method_is_replaced_and_still_gets_its_object(lifted: list[Callable[[], None]]) -> None:
    """The replacement sees the original first, then what the method gets."""
    sound = DmaResv.test_signaled

    @replaces(DmaResv.test_signaled)
    def opposite(original: Callable[[DmaResv, int], bool], self: DmaResv, usage: int) -> bool:
        assert callable(original)
        return not original(self, usage)

    lifted.append(plant([bug(opposite)]))
    assert not DmaResv().test_signaled(0)
    lifted.pop()()
    assert DmaResv.test_signaled is sound
    assert DmaResv().test_signaled(0)


def test_of_two_bugs_in_one_function_the_second_gets_the_first(lifted: list[Callable[[], None]]) -> None:
    """So that bugs add up in the order they were asked for."""

    @replaces(vm_types.amdgpu_vm_generation)
    def plus_one(original: object, adev: object, vm: object) -> int:
        assert callable(original)
        return int(original(adev, vm)) + 1

    @replaces(vm_types.amdgpu_vm_generation)
    def doubled(original: object, adev: object, vm: object) -> int:
        assert callable(original)
        return int(original(adev, vm)) * 2

    adev = types.SimpleNamespace(vram_lost_counter=0)
    lifted.append(plant([bug(plus_one), bug(doubled)]))
    assert vm_types.amdgpu_vm_generation(adev, None) == 2  # type: ignore[arg-type]


def test_a_file_read_while_another_bug_is_planted_replaces_the_sound_function(lifted: list[Callable[[], None]]) -> None:
    """A machine that is rebooted with another bug reads that one's file with the first still planted."""
    sound = vm_types.amdgpu_vm_generation

    @replaces(sound)
    def first(original: object, adev: object, vm: object) -> int:
        return 1

    lifted.append(plant([bug(first)]))

    @replaces(vm_types.amdgpu_vm_generation)
    def second(original: object, adev: object, vm: object) -> int:
        assert original is sound
        return 2

    lifted.pop()()
    lifted.append(plant([bug(second)]))
    assert vm_types.amdgpu_vm_generation(None, None) == 2  # type: ignore[arg-type]


def test_an_unknown_bug_names_its_neighbours() -> None:
    """A typo is answered with what it may have meant, anything else with where they are listed."""
    with pytest.raises(UnknownBug, match=r"no planted bug called 'm05_flag_ignord': did you mean m05_flag_ignored"):
        load_bug("m05_flag_ignord")
    with pytest.raises(UnknownBug, match=r"'zzz': 'amdgpu-hw bugs' lists them"):
        load_bug("zzz")
    with pytest.raises(UnknownBug):
        load_bug("../variants")


def test_bugs_of_different_kernels_need_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bugs it is the default kernel, with some it is theirs."""
    assert kernel_of([]) == DEFAULT_VARIANT
    assert kernel_of(["m05_flag_ignored"]) == DEFAULT_VARIANT
    old = PlantedBug("old", "On an older kernel.", Bug(caught_by=("B05",), kernel="base"), ())
    monkeypatch.setattr(planting, "load_bug", lambda name: old if name == "old" else load_bug(name))
    assert kernel_of(["old"]) == "base"
    with pytest.raises(HarnessError, match=r"different kernels \(base, series-fixed-7.3\): choose with --kernel"):
        kernel_of(["old", "m05_flag_ignored"])


def test_bugs_without_a_row_differ_in_the_model() -> None:
    """M16 asks how a buffer was created where the kernel asks whose it is: a foreign one, which no file can get."""
    (replacement,) = load_bug("m16_always_valid_by_creation_flag").replacements
    foreign = types.SimpleNamespace(flags=drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID, resv=DmaResv())
    vm, mapping = types.SimpleNamespace(root_resv=DmaResv()), types.SimpleNamespace(flags=0)
    sound = update_ctx.unmap_may_be_explicit
    assert not sound(vm, foreign, mapping)  # type: ignore[arg-type]  # the three attributes that it asks for
    assert replacement.function(sound, vm, foreign, mapping)


def test_a_file_somewhere_else_is_a_bug_by_its_path(tmp_path: Path, lifted: list[Callable[[], None]]) -> None:
    """Whoever has a wrong kernel in mind need not put it into the package."""
    path = tmp_path / "mine.py"
    path.write_text(
        '"""Nothing is always-valid."""\n'
        "from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import amdgpu_vm_is_bo_always_valid\n"
        "from amdgpu_hw.mock.planting import Bug, replaces\n"
        "BUG = Bug(caught_by=())\n"
        "@replaces(amdgpu_vm_is_bo_always_valid)\n"
        "def never(original, vm, bo):\n"
        "    return False\n"
    )
    planted = load_bug(str(path))
    assert (planted.name, planted.description) == (str(path), "Nothing is always-valid.")
    sound = update_ctx.amdgpu_vm_is_bo_always_valid
    lifted.append(plant([planted]))
    assert update_ctx.amdgpu_vm_is_bo_always_valid is not sound


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "there is no file"), ("BUG = 1\n", "it has no BUG"), ("import nothing_at_all\n", "nothing_at")],
)
def test_a_file_that_is_no_bug_is_refused_in_a_sentence(tmp_path: Path, text: str | None, words: str) -> None:
    """Whatever is wrong with it: the mock kernel's process reads it."""
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UnknownBug, match=words):
        load_bug(str(path))
