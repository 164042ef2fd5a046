# SPDX-License-Identifier: MIT
"""The build-time comparison of `amdgpu_hw.uapi` with the installed headers: that it passes, and that it can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from amdgpu_hw.libdrm import abi, build
from amdgpu_hw.uapi import amdgpu_drm
from amdgpu_hw.uapi.layout import Struct, io, iow, iowr

# What headers from 2.4.114 (Debian 12) on may lack, by the beginning of the name. A name that is skipped and not
# here is a misspelling of ours, which no compiler can tell from a header that is too old.
YOUNGER_THAN_DEBIAN_12 = (
    "struct drm_amdgpu_proc_options",
    "AMDGPU_PROC_OPTIONS_",
    "DRM_IOCTL_AMDGPU_PROC_OPTIONS",
    "AMDGPU_CHUNK_ID_CP_GFX_SHADOW",
    "AMDGPU_CTX_QUERY2_FLAGS_RESET_IN_PROGRESS",
    "AMDGPU_FAMILY_GC_",
    "AMDGPU_GEM_CREATE_COHERENT",
    "AMDGPU_GEM_CREATE_DISCARDABLE",
    "AMDGPU_GEM_CREATE_EXT_COHERENT",
    "AMDGPU_GEM_CREATE_GFX12_DCC",
    "AMDGPU_GEM_CREATE_UNCACHED",
    "AMDGPU_GEM_DOMAIN_DOORBELL",
    "AMDGPU_GEM_DOMAIN_MMIO_REMAP",
    "AMDGPU_GEM_LIST_HANDLES_FLAG_IS_IMPORT",
    "AMDGPU_GEM_OP_GET_MAPPING_INFO",
    "AMDGPU_HW_IP_VPE",
    "AMDGPU_IDS_FLAGS_",
    "AMDGPU_INFO_FW_",
    "AMDGPU_INFO_GPUVM_FAULT",
    "AMDGPU_INFO_MAX_IBS",
    "AMDGPU_INFO_SENSOR_GPU_INPUT_POWER",
    "AMDGPU_INFO_SENSOR_PEAK_PSTATE_",
    "AMDGPU_INFO_UQ_FW_AREAS",
    "AMDGPU_USERQ_CREATE_FLAGS_",
    "AMDGPU_USERQ_OP_",
    "AMDGPU_VMHUB_",
    "AMDGPU_VM_EXPLICIT_SYNC",
    "AMDGPU_VM_PAGE_NOALLOC",
    "AMDGPU_VRAM_TYPE_",
    "DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES",
    "DRM_IOCTL_AMDGPU_USERQ",
    "DRM_IOCTL_GEM_CHANGE_HANDLE",
    "DRM_IOCTL_SET_CLIENT_NAME",
    "DRM_IOCTL_SYNCOBJ_EVENTFD",
    "DRM_IOCTL_VGEM_",
    "DRM_MAJOR",
    "DRM_MINOR_RENDER_BASE",
    "DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_TIMELINE",
    "DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE",
    "DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE",
    "SYNC_IOC_SET_DEADLINE",
    "VGEM_",
    "drm_amdgpu_gem_op.",
    "drm_amdgpu_gem_va.input_fence_syncobj_handles",
    "drm_amdgpu_gem_va.num_syncobj_handles",
    "drm_amdgpu_gem_va.vm_timeline_",
    "drm_amdgpu_info_device.",
    "drm_amdgpu_info_hw_ip.ip_discovery_version",
    "drm_amdgpu_info_hw_ip.userq_num_slots",
    "drm_syncobj_handle.point",
    "drm_syncobj_timeline_wait.deadline_nsec",
    "drm_syncobj_wait.deadline_nsec",
    "struct drm_amdgpu_cs_chunk_cp_gfx_shadow",
    "struct drm_amdgpu_gem_list_handles",
    "struct drm_amdgpu_gem_vm_entry",
    "struct drm_amdgpu_info_gpuvm_fault",
    "struct drm_amdgpu_info_uq_metadata_gfx",
    "struct drm_amdgpu_userq_",
    "struct drm_gem_change_handle",
    "struct drm_set_client_name",
    "struct drm_syncobj_eventfd",
    "struct drm_vgem_",
    "struct sync_set_deadline",
)


def module(**declarations: object) -> ModuleType:
    """A module of declarations, as those in amdgpu_hw.uapi are."""
    made = ModuleType("declarations")
    vars(made).update(declarations)
    return made


def headers(tmp_path: Path, **texts: str) -> list[str]:
    """Compiler flags that put headers of our own before the installed ones."""
    for name, text in texts.items():
        (tmp_path / f"{name}.h").write_text(text)
    return [f"-I{tmp_path}", *abi.compile_flags()]


def test_the_declarations_agree_with_the_installed_headers() -> None:
    """Everything in amdgpu_hw.uapi that the installed headers have is the same there."""
    report = abi.check(build.UAPI_MODULES)
    assert report.agreed > 600, f"only {report.agreed} comparisons were made"
    assert not report.extended, f"declared shorter than in the installed headers: {report.extended}"


def test_nothing_is_skipped_that_old_headers_have() -> None:
    """A misspelled member or constant cannot hide among those that headers are too old for."""
    report = abi.check(build.UAPI_MODULES)
    unexplained = [name for name in report.skipped if not name.startswith(YOUNGER_THAN_DEBIAN_12)]
    assert not unexplained, f"not found in the installed headers, and not known to be young: {unexplained}"


@pytest.mark.parametrize(
    ("declarations", "complaint"),
    [
        ({"S": Struct("drm_gem_close", "u32 pad; u32 handle")}, "drm_gem_close.handle: declared as offset 4"),
        ({"S": Struct("drm_gem_close", "u64 handle; u32 pad")}, "drm_gem_close.handle: declared as offset 0, 8"),
        ({"S": Struct("drm_gem_close", "u32 handle; u32 pad[2]")}, "drm_gem_close.pad: declared as offset 4, 8"),
        ({"DRM_CAP_PRIME": 4}, "DRM_CAP_PRIME: declared as 0x4"),
        ({"I": io("DRM_IOCTL_SET_MASTER", "d", 0x1F)}, "DRM_IOCTL_SET_MASTER"),
        (
            {"I": iow("DRM_IOCTL_GEM_OPEN", "d", 0x0B, Struct("drm_gem_open", "u32 name; u32 handle; u64 size"))},
            "DRM_IOCTL_GEM_OPEN",
        ),
    ],
    ids=["offset", "scalar-size", "array-size", "constant", "ioctl-number", "ioctl-direction"],
)
def test_a_contradiction_is_an_error(declarations: dict[str, object], complaint: str) -> None:
    """A wrong offset, size, constant, number or direction stops the build and is named."""
    with pytest.raises(abi.AbiMismatch) as caught:
        abi.check([module(**declarations)])
    assert complaint in str(caught.value)


def test_a_declaration_of_gem_va_that_moved_by_one_word_is_an_error() -> None:
    """The check would notice the one mistake that matters most here."""
    text = "u32 handle; u32 operation; u32 flags; u64 va_address; u64 offset_in_bo; u64 map_size"
    wrong = Struct("drm_amdgpu_gem_va", text)
    assert amdgpu_drm.GEM_VA.offset("operation") != wrong.offset("operation")
    with pytest.raises(abi.AbiMismatch, match=r"drm_amdgpu_gem_va\.operation"):
        abi.check([module(GEM_VA=wrong)])


def test_an_older_header_is_skipped_and_listed(tmp_path: Path) -> None:
    """A struct without the last members, a struct and a constant that are not there: listed, no error."""
    old = "struct thing { unsigned a; unsigned b; };\n#define DRM_OLD 1\n#define IOCTL_THING 0xC0080001u\n"
    thing = Struct("thing", "u32 a; u32 b; u64 c")
    declarations = module(
        THING=thing,
        OTHER=Struct("other", "u32 a"),
        DRM_OLD=1,
        DRM_NEW=2,
        I=iowr("IOCTL_THING", "\0", 1, thing),
    )
    report = abi.check([declarations], headers(tmp_path, drm=old, drm_mode="", amdgpu_drm=""))
    assert report.skipped == ["thing.c", "struct other", "DRM_NEW"]
    assert report.agreed == 5, "members a and b, the old size, the constant and the ioctl (but for its size bits)"


def test_an_older_header_that_ends_elsewhere_is_an_error(tmp_path: Path) -> None:
    """Missing last members do not excuse a struct that does not end where they begin."""
    old = "struct thing { unsigned a; unsigned b; unsigned long long other; };\n"
    with pytest.raises(abi.AbiMismatch, match="struct thing"):
        abi.check(
            [module(THING=Struct("thing", "u32 a; u32 b; u64 c"))],
            headers(tmp_path, drm=old, drm_mode="", amdgpu_drm=""),
        )


def test_a_newer_header_that_extends_a_struct_is_noted(tmp_path: Path) -> None:
    """The kernel fills what we do not send with zeros, so a longer struct is no error."""
    new = "struct thing { unsigned a; unsigned b; unsigned long long c; };\n"
    report = abi.check(
        [module(THING=Struct("thing", "u32 a; u32 b"))], headers(tmp_path, drm=new, drm_mode="", amdgpu_drm="")
    )
    assert report.extended == ["thing"]


def test_a_header_that_does_not_compile_is_an_error(tmp_path: Path) -> None:
    """The check never passes because nothing could be checked."""
    with pytest.raises(abi.AbiMismatch):
        abi.check([module(DRM_X=1)], headers(tmp_path, drm="this is no C;\n"))


def test_a_missing_compiler_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a C compiler the message says what to install."""
    monkeypatch.setenv("CC", "no-such-compiler-here")
    with pytest.raises(abi.AbiMismatch, match="install gcc or clang"):
        abi.check([module(DRM_CAP_PRIME=5)])


def test_a_contradiction_stops_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """setup.py gets the error and no extension module."""
    monkeypatch.setattr(build, "UAPI_MODULES", (module(DRM_CAP_PRIME=4),))
    with pytest.raises(abi.AbiMismatch, match="DRM_CAP_PRIME"):
        build.ffibuilder()


def test_the_build_script_prints_the_report() -> None:
    """`python -m amdgpu_hw.libdrm.build` says what agreed and what was skipped."""
    result = subprocess.run(
        [sys.executable, "-m", "amdgpu_hw.libdrm.build"], capture_output=True, text=True, check=True
    )
    assert "declarations agree with the installed headers" in result.stdout
