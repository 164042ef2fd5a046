# SPDX-License-Identifier: MIT
"""The kernels the mock machine can boot differ in what KERNEL.md says, and in nothing else."""

from __future__ import annotations

from dataclasses import fields

import pytest

from amdgpu_hw.mock.variants import DEFAULT_VARIANT, VARIANTS, InputFences, OutFence, Variant, get_variant
from amdgpu_hw.uapi import amdgpu_drm as drm


def differences(one: Variant, other: Variant) -> set[str]:
    """Names of the fields in which two kernels differ, apart from their names."""
    return {f.name for f in fields(Variant) if getattr(one, f.name) != getattr(other, f.name)} - {"name", "summary"}


def test_the_kernels_the_harness_is_about_exist_and_the_mended_series_is_the_default() -> None:
    """Released kernels, the tree of the series, each state of it; by default the mended one on the newest release."""
    released = {"6.1", "6.12", "6.15", "6.18", "6.18-stable", "7.2", "7.3"}
    series = {"series-v1-patch-1", "series-v1", "series-fixed", "series-v1-7.3", "series-fixed-7.3"}
    assert set(VARIANTS) == released | {"base"} | series
    assert DEFAULT_VARIANT == "series-fixed-7.3"
    assert all(name == variant.name for name, variant in VARIANTS.items())


def test_unknown_kernel_names_the_known_ones() -> None:
    """A typo in --kernel is answered with the list."""
    with pytest.raises(KeyError, match="series-fixed"):
        get_variant("6.99")


@pytest.mark.parametrize(
    ("name", "minor", "explicit"),
    [
        ("6.1", 49, False),
        ("6.12", 61, False),
        ("6.15", 63, False),
        ("6.18", 64, False),
        ("6.18-stable", 64, False),
        ("base", 64, False),
        ("7.2", 64, False),
        ("7.3", 64, False),
        ("series-v1-patch-1", 64, False),
        ("series-v1", 65, True),
        ("series-fixed", 65, True),
        ("series-v1-7.3", 65, True),
        ("series-fixed-7.3", 65, True),
    ],
)
def test_driver_minor_and_flag_go_together(name: str, minor: int, explicit: bool) -> None:
    """KERNEL.md 0.1: 49 is Linux 6.1, 61 is 6.12.117, 64 is 6.16 to 7.3 and base, patch 3 of the series makes it 65."""
    variant = get_variant(name)
    assert (variant.driver_minor, variant.has_explicit_sync) == (minor, explicit)


def test_fences_of_gem_va_by_kernel() -> None:
    """KERNEL.md 3.6: ignored up to 6.15, input fences block up to base, collected with the series."""
    seen = {name: (get_variant(name).input_fences, get_variant(name).out_fence) for name in VARIANTS}
    assert seen["6.12"] == seen["6.15"] == (InputFences.IGNORED, OutFence.IGNORED)
    assert seen["6.18"] == (InputFences.BLOCK, OutFence.DEC_2025)
    assert seen["6.18-stable"] == (InputFences.BLOCK, OutFence.STABLE)
    assert seen["base"] == (InputFences.BLOCK, OutFence.BASE)
    assert seen["series-v1"] == seen["series-fixed"] == (InputFences.COLLECT, OutFence.BASE)


def test_the_series_changes_only_what_its_patches_touch() -> None:
    """Against base: flag, minor, freed lists, shared container, collected inputs, and the faults F2, F3, F10."""
    assert differences(get_variant("base"), get_variant("series-v1")) == {
        "driver_minor",
        "has_explicit_sync",
        "input_fences",
        "shares_sync_container",
        "freed_per_update",
        "skips_empty_clear",
        "finishes_context_on_close",
        "finishes_context_on_error",
        "reports_moved_errors",
    }


STABLE_FIXES = {
    "anonymous_userptr_is_one_vma",
    "bo_list_limit",
    "bugs_on_unaligned_user_fence",
    "checks_chunks",
    "forgets_after_failed_cs",
    "gem_create_domains_exclude",
    "va_reserved_top",
}
"""What 6.12.117 has and 6.15, a kernel of its first day, has not."""


def test_6_15_is_6_12_with_what_came_up_to_then() -> None:
    """KERNEL.md 0.3, E7: PRT maps immediate (6.13), client names and fdinfo by region (6.14), what resets can do."""
    assert differences(get_variant("6.12"), get_variant("6.15")) - STABLE_FIXES == {
        "driver_minor",
        "prt_map_is_implicit",
        "has_client_name",
        "has_fdinfo_regions",
        "has_reset_masks",
        "has_sdma_ring_reset",
        "has_wedged_uevent",
    }


def test_6_18_x_has_the_refactored_update_fence() -> None:
    """KERNEL.md E8 (b), 0.3 and 2.4: the update fence, whose TLB flushes have a fence, a check of GET_MAPPING_INFO."""
    assert differences(get_variant("6.18"), get_variant("6.18-stable")) == {
        "out_fence",
        "tlb_fence",
        "mapping_info_limit_errno",
        "bo_list_limit",
        "bugs_on_unaligned_user_fence",
    }


@pytest.mark.parametrize("name", ["7.2", "7.3"])
def test_7_2_and_7_3_have_the_gem_va_of_base(name: str) -> None:
    """What they do otherwise are checks, handles, user queues, and what a reset brings back."""
    of_updates = {
        "checks_va_overflow",
        "rejects_delay_with_syncobj",
        "input_fences",
        "out_fence",
        "stores_request_bits",
        "prt_map_is_implicit",
        "clear_sets_last_update",
        "always_valid_can_unready",
    }
    assert not differences(get_variant("base"), get_variant(name)) & of_updates


def test_7_3_is_7_2_with_what_came_in_one_release() -> None:
    """In amdgpu_ctx.c, amdgpu_bo_list.c, amdgpu_cs.c, amdgpu_ttm.c, amdgpu_vm.c and amdgpu_drv.c of the two."""
    assert differences(get_variant("7.2"), get_variant("7.3")) == {
        "anonymous_userptr_is_one_vma",
        "checks_bo_list_first",
        "clear_entities",
        "has_proc_options",
        "long_chunk_errno",
        "rewrites_prt_after_reset",
        "soft_recovery_word",
        "tells_all_userq_areas",
        "userq_pointers_aligned",
        "userq_spans_are_bytes",
        "xarray_contexts",
    }


@pytest.mark.parametrize("state", ["series-v1", "series-fixed"])
def test_the_series_on_7_3_changes_what_it_changes_on_its_own_base(state: str) -> None:
    """But for the early return of amdgpu_vm_clear_freed, which 7.3 has without it."""
    on_base = differences(get_variant("base"), get_variant(state))
    on_7_3 = differences(get_variant("7.3"), get_variant(f"{state}-7.3"))
    assert on_base - on_7_3 == {"skips_empty_clear"}
    assert on_7_3 < on_base
    series = get_variant(state)
    assert all(getattr(get_variant(f"{state}-7.3"), name) == getattr(series, name) for name in on_base)


def test_the_first_patch_alone_has_no_flag_and_makes_every_map_wait() -> None:
    """KERNEL.md 5.2, F9: patch 2 brings the flag and the early return of amdgpu_vm_clear_freed, patch 3 the minor."""
    assert differences(get_variant("series-v1-patch-1"), get_variant("series-v1")) == {
        "driver_minor",
        "has_explicit_sync",
        "skips_empty_clear",
    }


def test_the_mended_series_differs_from_the_posted_one_only_in_its_suspected_faults() -> None:
    """F1/F5, F2, F3, F4, F7, F8, F10, F11 and F13 are mended; the flag itself means the same."""
    assert differences(get_variant("series-v1"), get_variant("series-fixed")) == {
        "flushes_delayed_freed",
        "finishes_context_on_close",
        "reports_moved_errors",
        "merges_unused_inputs",
        "rewrites_remnants_first",
        "shares_sync_container",
        "finishes_context_on_error",
        "stores_request_bits",
        "cpu_waits_for_inputs_unlocked",
    }


def test_settable_gem_create_flags_are_those_of_the_headers() -> None:
    """KERNEL.md 2.2: bits 0-3, 6, 7, 9, 10, 12-16, but neither VRAM_CONTIGUOUS nor the kernel's own bits 8 and 11."""
    refused = (
        drm.AMDGPU_GEM_CREATE_VRAM_CONTIGUOUS
        | drm.AMDGPU_GEM_CREATE_CP_MQD_GFX9
        | drm.AMDGPU_GEM_CREATE_PREEMPTIBLE
        | 1 << 4
    )
    assert get_variant("base").gem_create_settable == 0x1FFFF & ~refused
    assert not get_variant("6.12").gem_create_settable & drm.AMDGPU_GEM_CREATE_UNCACHED
