# SPDX-License-Identifier: MIT
"""Kernel variants: what each released kernel, and each version of the series, does differently.

A variant is a set of declared differences, not a copy of the driver: the model in `mock/kernel` asks a field
of the running variant wherever two kernels disagree. Section numbers and row names (E.., F.., B..) are those
of KERNEL.md, the project's collection of facts about amdgpu.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, fields, replace
from enum import Enum

__all__ = (
    "DEFAULT_VARIANT",
    "VARIANTS",
    "InputFences",
    "OutFence",
    "ReservedVmids",
    "TlbFence",
    "UnknownKernel",
    "Variant",
    "VgemBus",
    "get_variant",
)

MSEC = 1_000_000
SEC = 1000 * MSEC


class OutFence(Enum):
    """Which fence GEM_VA puts into the out syncobj (KERNEL.md E8)."""

    IGNORED = "ignored"
    """Up to 6.15: the fields do not exist."""
    DEC_2025 = "6.16"
    """Profile (a): the clear's fence, a stub without one; MAP and REPLACE the mapping's, even after an error."""
    STABLE = "6.18.x"
    """Profile (b): as (a), but `vm->last_update` when nothing was cleared, the VM is not ready, or on error."""
    BASE = "base"
    """Profile (c): `vm->last_update`, fed by clears too; merged with the mapping's for MAP of an ordinary BO."""


class InputFences(Enum):
    """What GEM_VA does with its input fences (KERNEL.md 3.2 step 8)."""

    IGNORED = "ignored"
    BLOCK = "block"
    """The ioctl waits for each, uninterruptibly, before it takes a lock."""
    COLLECT = "collect"
    """The page-table jobs of the operation depend on them (patch 1 of the series)."""


class TlbFence(Enum):
    """Which VMs get a TLB-flush fence behind a flushing page-table update (KERNEL.md 0.3, 4.4)."""

    COMPUTE = "compute VMs"
    USER_QUEUES = "compute VMs, and all where there are user queues"
    ALL = "all VMs"


class ReservedVmids(Enum):
    """Who gets a VMID aside from all others when one file has it (amdgpu_vmid_alloc_reserved)."""

    ONE = errno.ENOENT
    """Nobody else."""
    ONE_EINVAL = errno.EINVAL
    """6.1: nobody else, with another errno."""
    SHARED = 0
    """6.12: everybody who asks, the same VMID."""


class VgemBus(Enum):
    """The bus on which vgem, a driver without hardware, has its device; the value is its name in /sys."""

    PLATFORM = "platform"
    FAUX = "faux"


@dataclass(frozen=True, slots=True)
class Variant:
    """One kernel. The defaults are the base of the series (U); every other variant names where it differs."""

    name: str
    summary: str

    # -- identity
    driver_minor: int = 64
    """0.1: minor number of VERSION; the major is always 3."""
    driver_date: str = "0"
    """1.3: the date VERSION reports."""
    has_explicit_sync: bool = False
    """5.1: AMDGPU_VM_EXPLICIT_SYNC (bit 10) is a legal flag, and means something (patch 2)."""

    # -- GEM_VA: the ioctl
    checks_va_overflow: bool = True
    """3.2 step 3: va + map_size that wraps is refused; before base the wrapped sum was compared."""
    rejects_delay_with_syncobj: bool = True
    """3.2 step 6: DELAY_UPDATE with an out syncobj is EINVAL; before base the syncobj was left alone."""
    input_fences: InputFences = InputFences.BLOCK
    """3.2 step 8."""
    out_fence: OutFence = OutFence.BASE
    """3.5 step 4 and E8."""

    # -- GEM_VA: mappings
    stores_request_bits: bool = True
    """F11: DELAY and EXPLICIT_SYNC stay in the stored flags and show in GET_MAPPING_INFO."""

    # -- freed mappings
    prt_map_is_implicit: bool = False
    """E7: up to 6.12 a PRT map waits for the VM's submissions, as an unmap does."""
    shares_sync_container: bool = False
    """E1, F8: one amdgpu_sync for clear, map and inputs of an operation (patch 1); else one per update."""
    freed_per_update: bool = False
    """5.2: freed mappings stay with their ioctl (`ctx.freed`, `vm->delayed_freed`; patch 1)."""
    skips_empty_clear: bool = False
    """F9: amdgpu_vm_clear_freed returns at once without freed mappings (patch 2)."""
    flushes_delayed_freed: bool = False
    """F1, F5 mended: an update that is not delayed first clears `delayed_freed`, implicitly."""
    clear_sets_last_update: bool = True
    """3.5 step 1: clears feed `vm->last_update`, so that later submissions wait for them."""
    rewrites_remnants_first: bool = False
    """F7 mended: what is left of a split mapping is rewritten before the directories switch over."""

    # -- fences of an update
    merges_unused_inputs: bool = False
    """F4 mended: inputs that no page-table job carries go into the out fence, or wait with delayed work."""
    cpu_waits_for_inputs_unlocked: bool = False
    """F13 mended: where the CPU writes page tables, inputs are waited for before anything is locked."""
    finishes_context_on_close: bool = True
    """F2: GEM_CLOSE gives back what its update context holds."""
    finishes_context_on_error: bool = True
    """F10: a bad input fence does not leak those already collected."""
    reports_moved_errors: bool = True
    """F3: a failed update of an always-valid BO fails the submission."""
    tlb_fence: TlbFence = TlbFence.COMPUTE
    """0.3: ALL from 6.18 to the Dec-2025 trees; USER_QUEUES in 7.2 and 7.3 (amdgpu_vm_init, need_tlb_fence)."""
    always_valid_can_unready: bool = False
    """E11: up to 7.0 an always-valid BO outside its preferred domain makes the whole VM not ready."""

    # -- other GEM ioctls
    has_mapping_info: bool = True
    """2.4: GEM_OP GET_MAPPING_INFO (6.18)."""
    mapping_info_limit_errno: int = errno.EINVAL
    """2.4: GET_MAPPING_INFO with room for more than 2 GiB of entries; ENOMEM before 6.18.x, which checks."""
    has_list_handles: bool = True
    """2.4: GEM_LIST_HANDLES (6.18)."""
    list_handles_in_bytes: bool = False
    """2.4: GEM_LIST_HANDLES tells alignments in bytes and not in pages (amdgpu_gem_list_handles_ioctl; 7.2)."""
    gem_create_settable: int = 0x1F6CF
    """2.2: AMDGPU_GEM_CREATE_SETTABLE_MASK, the flags user space may ask for."""
    refuses_doorbell: bool = False
    """2.3: DOORBELL buffers could not be allocated before 6.16."""

    gem_create_domains_exclude: bool = False
    """2.3: special domains (GDS, GWS, OA, doorbells, MMIO) go with no other (amdgpu_gem_are_domains_valid; 7.2,
    6.12.117)."""
    userptr_checks_address: bool = False
    """2.4: EFAULT for a userptr outside user space, before its flags are looked at (7.2)."""
    anonymous_userptr_is_one_vma: bool = False
    """2.4: ANONONLY memory beyond the first area of the process is EPERM (7.3, 6.12.117)."""

    # -- DRM core
    xarray_syncobjs: bool = False
    """0.4: syncobjs are in an xarray (7.2): freeing id 0 makes it one that is given out."""
    xarray_contexts: bool = False
    """0.4: contexts and BO lists are in an xarray (7.3), too, and contexts are without number."""
    has_change_handle: bool = True
    """1.2: GEM_CHANGE_HANDLE (6.18)."""
    disables_change_handle: bool = False
    """1.2: GEM_CHANGE_HANDLE is there and EINVAL (7.2)."""
    vgem_bus: VgemBus = VgemBus.PLATFORM
    """0.3: the bus of vgem's device; 7.2 has the faux bus (vgem_init)."""
    has_client_name: bool = True
    """1.2: SET_CLIENT_NAME (6.14)."""
    has_syncobj_fd_point: bool = True
    """0.3, E12: `point` and the TIMELINE flag of the syncobj descriptor ioctls (6.16)."""
    checks_fence_flags: bool = True
    """1.5: flags other than WAIT_FOR_SUBMIT are refused where a fence is looked up; 6.1 ignores them."""
    refuses_no_handles: bool = False
    """1.5: SYNCOBJ_WAIT and TIMELINE_WAIT of no handles are EINVAL (6.1)."""
    has_syncobj_eventfd: bool = True
    """1.2: SYNCOBJ_EVENTFD (6.6)."""
    has_cursor_hotspot: bool = True
    """1.3: what clients can say of cursors, and ask of asynchronous atomic flips (6.6, 6.8)."""
    has_fdinfo_regions: bool = True
    """7.3: fdinfo tells totals, shared, resident and purgeable memory by region (6.14)."""
    has_fdinfo_requests: bool = True
    """7.3: before there were regions, fdinfo told what is visible, evicted and requested as well (not in 6.1)."""
    has_wedged_uevent: bool = True
    """0.3: WEDGED= uevents (6.15)."""

    forgets_awaited_dependency: bool = False
    """4.8: a killed job does not wait for the fence that it was waiting for already: pop_job had taken it from the job,
    and drm_sched_entity_fini drops it (6.1)."""
    has_sched_trace: bool = True
    """7.1: drm_sched_job_queue and drm_sched_job_add_dep, with fences by number (6.17)."""

    # -- hangs
    soft_recovery_on_rdna: bool = False
    """4.7: shaders of hung jobs could be killed on GFX10 and later as well, before 6.17."""
    gfx_ring_reset_since: tuple[int, int, int] = (10, 0, 0)
    """4.7: GC version from which a hung graphics ring can be reset alone; from GFX7 on before 6.17, from GFX9 on in 7.2
    and 7.3 (gfx_v9_0_sw_init)."""
    has_sdma_ring_reset: bool = True
    """4.7: hung SDMA rings can be reset alone (6.15)."""
    ring_reset_cancels_ring: bool = False
    """4.7: before 6.17 the reset of a ring cancelled the jobs of all contexts on it, and was not reported."""
    reemits_jobs_once: bool = True
    """4.7: a job survives one reset of its ring, a second one cancels it (7.0). In 7.2 and 7.3 jobs of other contexts
    survive any number (amdgpu_ring_set_fence_errors_and_reemit)."""
    has_reset_masks: bool = True
    """7.3: gfx_reset_mask, compute_reset_mask and sdma_reset_mask in sysfs (6.13)."""
    soft_recovery_word: str = "soft"
    """7.3: what these call the killing of shaders (amdgpu_show_reset_mask); "soft_recovery" in 7.3."""

    guilty_is_sticky: bool = True
    """2.7: a context that has hung the GPU stays guilty (ECANCELED); from 7.2 on only as long as its last job is the
    one."""
    rewrites_prt_after_reset: bool = True
    """4.7: a VM whose VRAM is lost has PRT mappings written again; 7.3 keeps them off the lists that say so
    (amdgpu_vm_bo_update)."""
    rewrites_always_valid_after_reset: bool = True
    """4.7: the same of always-valid BOs; from 7.2 on they are listed, but not marked as moved
    (amdgpu_vm_bo_needs_update)."""

    # -- submissions, queues
    reserved_vmids: ReservedVmids = ReservedVmids.ONE
    """4.6: what the second file to reserve a VMID gets."""
    bo_list_limit: int = 131072
    """2.6: entries of a BO list (AMDGPU_BO_LIST_MAX_ENTRIES; EINVAL); 0 before it came to stable kernels in 2026."""
    checks_bo_list_first: bool = False
    """2.6: records have the kernel's size, and the operation is looked at before they are copied (7.3)."""
    checks_chunks: bool = False
    """2.7: EINVAL for a second FENCE, a short CP_GFX_SHADOW, IBs of more than 0xFFFFF dwords (7.2, 6.12.117)."""
    long_chunk_errno: int = errno.ENOMEM
    """2.7: CS with a chunk of 2 GiB and more; EINVAL in 7.3."""
    refuses_absent_rings: bool = False
    """2.5: naming a ring of an IP that the GPU lacks is EINVAL everywhere, not in CS alone (7.2)."""
    refuses_no_fences: bool = False
    """2.8: WAIT_FENCES without a fence is EINVAL (7.2)."""
    bugs_on_unaligned_user_fence: bool = False
    """2.7: a user fence at no qword ends the machine (BUG_ON in *_ring_emit_fence), until stable kernels of 2026 only
    warn."""
    forgets_after_failed_cs: bool = False
    """2.7: with debug_vm the buffers of a submission that failed are invalidated as well (amdgpu_cs_parser_fini; 7.2
    and, by then, stable kernels)."""
    has_shadow_chunk: bool = True
    """2.7: the CP_GFX_SHADOW chunk (6.2)."""
    hw_ip_num: int = 10
    """2.5: IPs a submission can name; 9 before VPE (6.7)."""
    newest_info_query: int = 0xFF
    """2.9: INFO queries above are EINVAL; in 6.1 the newest is VIDEO_CAPS."""
    has_proc_options: bool = False
    """0.1: PROC_OPTIONS (7.3)."""
    limits_ibs: bool = True
    """2.7: a job has at most amdgpu_ring_max_ibs() IBs; 6.1 counts no IBs."""
    blocks_ce_ibs: bool = True
    """2.7: IBs for the constant engine are refused, unless debug=0x400 (6.18)."""
    has_userq_ioctls: bool = True
    """0.3: USERQ, USERQ_SIGNAL, USERQ_WAIT are in the ioctl table (6.16)."""
    counts_ip_blocks: bool = False
    """2.9: HW_IP_COUNT counts IP blocks, 0 of them is an answer, too; elsewhere instances, and none is EINVAL (6.1)."""
    tells_all_userq_areas: bool = False
    """2.9: UQ_FW_AREAS answers for COMPUTE and SDMA as well (7.3)."""
    userq_spans_are_bytes: bool = False
    """2.1: the ring of a user queue has to be mapped to its last byte and its pointers are 8 bytes long; before 7.3
    pages were counted, of which a pointer had one (amdgpu_userq_input_va_validate)."""
    userq_pointers_aligned: bool = False
    """2.1: these pointers are at qwords, else EINVAL (amdgpu_userq_input_args_validate; 7.3)."""
    userq_doorbell_is_exclusive: bool = False
    """2.1: a doorbell that another queue has is EBUSY, one BO is one only as long as it prefers that domain, and a file
    has at most 512 queues (amdgpu_userq_create; 7.2)."""
    userq_cancels_last_fence_only: bool = False
    """4.7: of the fences of a queue that is reset only the last one tells of it
    (amdgpu_userq_fence_driver_force_completion; 7.2)."""
    userq_fence_handles_u16: bool = False
    """2.1: the number of syncobjs of USERQ_SIGNAL is a 16-bit field, as large as there may be (7.2)."""
    hw_ip_info_size: int = 40
    """2.9: bytes of HW_IP_INFO, 32 before 6.16."""
    dev_info_size: int = 448
    """2.9: bytes of DEV_INFO, 440 before 6.16."""
    lockup_timeout_ns: int = 2 * SEC
    """0.3: job timeout: 10 s before 6.19."""
    compute_lockup_timeout_ns: int = 2 * SEC
    """0.3: job timeout of compute rings: 60 s before 6.17."""
    flush_waits_root_resv: bool = False
    """E16: close() waits on the root resv (up to 6.16), later kernels flush the VM's entities."""

    # -- memory
    clear_entities: int = 1
    """E2: FIFOs that clears of VRAM take turns on, no more than there are copy engines: TTM_NUM_MOVE_FENCES in 7.3."""
    maps_seq64: bool = True
    """7.3: every address space has the driver's 2 MiB for fences mapped, and fdinfo counts them (6.9)."""

    # -- address space
    va_reserved_bottom: int = 0x10000
    """3.1: first usable address."""
    va_reserved_top: int = 0x402000
    """3.1: bytes at the end for the trap handler, seq64 and the CSA; 0x410000 since spring 2026."""


_V6_12 = Variant(
    name="6.12",
    summary="Linux 6.12.117 (LTS): no fences in GEM_VA, PRT maps implicit",
    driver_minor=61,
    checks_va_overflow=False,
    rejects_delay_with_syncobj=False,
    input_fences=InputFences.IGNORED,
    out_fence=OutFence.IGNORED,
    prt_map_is_implicit=True,
    clear_sets_last_update=False,
    always_valid_can_unready=True,
    has_mapping_info=False,
    has_list_handles=False,
    gem_create_settable=0x114CF,
    refuses_doorbell=True,
    has_change_handle=False,
    has_client_name=False,
    has_syncobj_fd_point=False,
    has_fdinfo_regions=False,
    has_wedged_uevent=False,
    has_sched_trace=False,
    soft_recovery_on_rdna=True,
    gfx_ring_reset_since=(7, 0, 0),
    has_sdma_ring_reset=False,
    ring_reset_cancels_ring=True,
    reemits_jobs_once=False,
    has_reset_masks=False,
    blocks_ce_ibs=False,
    has_userq_ioctls=False,
    hw_ip_info_size=32,
    dev_info_size=440,
    lockup_timeout_ns=10 * SEC,
    compute_lockup_timeout_ns=60 * SEC,
    reserved_vmids=ReservedVmids.SHARED,
    flush_waits_root_resv=True,
    anonymous_userptr_is_one_vma=True,
    gem_create_domains_exclude=True,
    checks_chunks=True,
    forgets_after_failed_cs=True,
    va_reserved_top=0x410000,
)

_V6_1 = replace(
    _V6_12,
    name="6.1",
    summary="Linux 6.1.176 (LTS): as 6.12, with fewer ioctls and checks, and 2 MiB of addresses reserved at both ends",
    driver_minor=49,
    gem_create_settable=0x14CF,
    gem_create_domains_exclude=False,
    anonymous_userptr_is_one_vma=False,
    checks_fence_flags=False,
    refuses_no_handles=True,
    has_syncobj_eventfd=False,
    has_cursor_hotspot=False,
    has_shadow_chunk=False,
    limits_ibs=False,
    has_fdinfo_requests=False,
    counts_ip_blocks=True,
    maps_seq64=False,
    hw_ip_num=9,
    newest_info_query=0x21,
    checks_chunks=False,
    bugs_on_unaligned_user_fence=True,
    forgets_after_failed_cs=False,
    dev_info_size=368,
    forgets_awaited_dependency=True,
    reserved_vmids=ReservedVmids.ONE_EINVAL,
    va_reserved_bottom=0x200000,
    va_reserved_top=0x200000,
)

_V6_15 = replace(
    _V6_12,
    name="6.15",
    summary="Linux 6.15: the last one without fences in GEM_VA; PRT maps immediate since 6.13",
    driver_minor=63,
    anonymous_userptr_is_one_vma=False,
    gem_create_domains_exclude=False,
    checks_chunks=False,
    bugs_on_unaligned_user_fence=True,
    forgets_after_failed_cs=False,
    bo_list_limit=0,
    va_reserved_top=0x402000,
    prt_map_is_implicit=False,
    has_client_name=True,
    has_fdinfo_regions=True,
    has_wedged_uevent=True,
    has_sdma_ring_reset=True,
    has_reset_masks=True,
)

_V6_18 = Variant(
    name="6.18",
    summary="Linux 6.18.0 (LTS): fences in GEM_VA, input fences block the caller",
    checks_va_overflow=False,
    rejects_delay_with_syncobj=False,
    out_fence=OutFence.DEC_2025,
    mapping_info_limit_errno=errno.ENOMEM,
    clear_sets_last_update=False,
    tlb_fence=TlbFence.ALL,
    always_valid_can_unready=True,
    reemits_jobs_once=False,
    lockup_timeout_ns=10 * SEC,
    compute_lockup_timeout_ns=10 * SEC,
    bugs_on_unaligned_user_fence=True,
    bo_list_limit=0,
)

_V6_18_STABLE = replace(
    _V6_18,
    name="6.18-stable",
    summary="Linux 6.18.x: the refactored GEM_VA reports vm->last_update where 6.18.0 reported a stub",
    out_fence=OutFence.STABLE,
    mapping_info_limit_errno=errno.EINVAL,
    tlb_fence=TlbFence.COMPUTE,
    bugs_on_unaligned_user_fence=False,
    bo_list_limit=131072,
)

_BASE = Variant(
    name="base",
    summary="the tree the series applies to (drm-misc of May 2026), without the series",
)

_V7_2 = replace(
    _BASE,
    name="7.2",
    summary="Linux 7.2.13: GEM_VA as in base; stricter checks, always-valid mappings that a reset loses stay lost",
    skips_empty_clear=True,
    tlb_fence=TlbFence.USER_QUEUES,
    reemits_jobs_once=False,
    gfx_ring_reset_since=(9, 0, 0),
    gem_create_domains_exclude=True,
    userptr_checks_address=True,
    xarray_syncobjs=True,
    vgem_bus=VgemBus.FAUX,
    disables_change_handle=True,
    guilty_is_sticky=False,
    rewrites_always_valid_after_reset=False,
    checks_chunks=True,
    list_handles_in_bytes=True,
    forgets_after_failed_cs=True,
    refuses_absent_rings=True,
    refuses_no_fences=True,
    userq_doorbell_is_exclusive=True,
    userq_cancels_last_fence_only=True,
    userq_fence_handles_u16=True,
    dev_info_size=440,
    va_reserved_top=0x410000,
)

_V7_3 = replace(
    _V7_2,
    name="7.3",
    summary="Linux 7.3.4: as 7.2, with stricter checks of lists and chunks; PRT mappings stay lost, too",
    anonymous_userptr_is_one_vma=True,
    xarray_contexts=True,
    rewrites_prt_after_reset=False,
    checks_bo_list_first=True,
    long_chunk_errno=errno.EINVAL,
    has_proc_options=True,
    tells_all_userq_areas=True,
    clear_entities=8,
    soft_recovery_word="soft_recovery",
    userq_spans_are_bytes=True,
    userq_pointers_aligned=True,
)

_SERIES_V1_PATCH_1 = replace(
    _BASE,
    name="series-v1-patch-1",
    summary="base with the first patch of the series alone, where a bisection may end: every MAP waits (F9)",
    input_fences=InputFences.COLLECT,
    shares_sync_container=True,
    freed_per_update=True,
    finishes_context_on_close=False,
    finishes_context_on_error=False,
    reports_moved_errors=False,
)

_SERIES_V1 = replace(
    _SERIES_V1_PATCH_1,
    name="series-v1",
    summary="base with the series exactly as posted on 2026-05-29, its suspected faults included",
    driver_minor=65,
    has_explicit_sync=True,
    skips_empty_clear=True,
)

_SERIES_FIXED = replace(
    _SERIES_V1,
    name="series-fixed",
    summary="base with the series, its suspected faults mended",
    stores_request_bits=False,
    shares_sync_container=False,
    flushes_delayed_freed=True,
    rewrites_remnants_first=True,
    merges_unused_inputs=True,
    cpu_waits_for_inputs_unlocked=True,
    finishes_context_on_close=True,
    finishes_context_on_error=True,
    reports_moved_errors=True,
)


def _on(tree: Variant, series: Variant, *, name: str, summary: str) -> Variant:
    """``series``, which is one of `_BASE`, on another tree: what it changes there it changes here, and nothing else."""
    changed = {f.name for f in fields(Variant) if getattr(series, f.name) != getattr(_BASE, f.name)}
    changes = {field: getattr(series, field) for field in changed} | {"name": name, "summary": summary}
    return replace(tree, **changes)


# What the patches touch is the same in 7.3 but for skips_empty_clear, which 7.3 has without them: patch 1 takes it out
# and patch 2 brings it back (amdgpu_vm_clear_freed). So patch 1 alone shows nothing here that it does not show on base.
_SERIES_V1_7_3 = _on(
    _V7_3,
    _SERIES_V1,
    name="series-v1-7.3",
    summary="Linux 7.3.4 with the series as posted",
)

_SERIES_FIXED_7_3 = _on(
    _V7_3,
    _SERIES_FIXED,
    name="series-fixed-7.3",
    summary="Linux 7.3.4 with the series, its suspected faults mended; the kernel that must pass everything",
)

VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        _V6_1,
        _V6_12,
        _V6_15,
        _V6_18,
        _V6_18_STABLE,
        _BASE,
        _V7_2,
        _V7_3,
        _SERIES_V1_PATCH_1,
        _SERIES_V1,
        _SERIES_FIXED,
        _SERIES_V1_7_3,
        _SERIES_FIXED_7_3,
    )
}
"""Every kernel the mock machine can boot, by name."""

DEFAULT_VARIANT = _SERIES_FIXED_7_3.name
"""What boots when nobody asks for a kernel."""


class UnknownKernel(KeyError):
    """There is no variant of that name; the message lists those there are."""

    def __str__(self) -> str:
        return str(self.args[0])


def get_variant(name: str) -> Variant:
    """Return the variant called ``name``. Raises `UnknownKernel`."""
    if name not in VARIANTS:
        raise UnknownKernel(f"there is no kernel called '{name}'; there are: {', '.join(VARIANTS)}")
    return VARIANTS[name]
