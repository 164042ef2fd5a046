# SPDX-License-Identifier: MIT
"""Compares the ABI as `amdgpu_hw.uapi` declares it with the headers installed on this machine.

One static assertion per struct size, member offset, member size, constant and ioctl number goes into a C file that
is only parsed (``-fsyntax-only``); every assertion sits on a line of its own, so the compiler's diagnostics say
which one failed and why. Headers age in one direction only: a member, struct or constant that an old header does not
have is skipped and listed, a struct that a later header extended at its end is noted, and everything else that
differs is an error.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import ModuleType

from amdgpu_hw.uapi.layout import Ioctl, Struct

__all__ = ("AbiMismatch", "AbiReport", "check", "compile_flags")

HEADERS = (
    "fcntl.h",
    "stddef.h",
    "sys/ioctl.h",
    "drm.h",
    "drm_mode.h",
    "amdgpu_drm.h",
    "linux/sync_file.h",
    "linux/dma-buf.h",
    "drm/vgem_drm.h",
)

# Types that the header only has as unnamed members of a union.
_UNNAMED_TYPES = {
    "drm_amdgpu_ctx_out_alloc": ("union drm_amdgpu_ctx_out", "alloc"),
    "drm_amdgpu_ctx_out_state": ("union drm_amdgpu_ctx_out", "state"),
    "drm_amdgpu_ctx_out_pstate": ("union drm_amdgpu_ctx_out", "pstate"),
    "drm_amdgpu_fence_to_handle_in": ("union drm_amdgpu_fence_to_handle", "in"),
    "drm_amdgpu_fence_to_handle_out": ("union drm_amdgpu_fence_to_handle", "out"),
}

# Members that are flat in our declarations and nested, or differently named, in the header.
_MEMBER_PATHS = {
    "drm_amdgpu_fence_to_handle_in": {
        name: f"fence.{name}" for name in ("ctx_id", "ip_type", "ip_instance", "ring", "seq_no")
    },
    "drm_amdgpu_gem_metadata": {name: f"data.{name}" for name in ("flags", "tiling_info", "data_size_bytes", "data")},
    "drm_amdgpu_info": {
        "arg0": "read_mmr_reg.dword_offset",
        "arg1": "read_mmr_reg.count",
        "arg2": "read_mmr_reg.instance",
        "arg3": "read_mmr_reg.flags",
    },
}

# The headers' own names; our modules have a few constants beside them, such as GEM_VA_OLD_SIZE.
_CONSTANT_PREFIXES = ("AMDGPU_", "DMA_BUF_", "DRM_", "VGEM_")

# Names of the driver's own headers, which user space does not get.
_NOT_INSTALLED = {"AMDGPU_GPU_PAGE_SHIFT", "AMDGPU_GPU_PAGE_SIZE"}

# Constants that count what there is, and so grow from header to header.
_COUNTS = {"AMDGPU_HW_IP_NUM"}

# What gcc and clang say when a header does not have a name; anything else about an assertion is an error.
_ABSENT = re.compile(
    r"undeclared|no member named|incomplete type|undefined type|invalid use of undefined|unknown type name"
)
_DIFFERS = re.compile(r"static[_ ]assert", re.IGNORECASE)
_DIAGNOSTIC = re.compile(r"^assertions\.c:(?P<line>\d+)(?::\d+)?: (?:fatal )?error: (?P<text>.*)$", re.MULTILINE)


class AbiMismatch(Exception):
    """The declarations in `amdgpu_hw.uapi` and the installed headers contradict each other."""


@dataclass
class AbiReport:
    """The outcome: how much agreed, and what could not be compared."""

    agreed: int = 0
    skipped: list[str] = field(default_factory=list)
    """Names that the installed headers are too old to have."""
    extended: list[str] = field(default_factory=list)
    """Structs that the installed headers declare longer than we do."""

    def __str__(self) -> str:
        text = f"ABI check: {self.agreed} declarations agree with the installed headers"
        if self.skipped:
            text += f"; header older, skipped: {', '.join(self.skipped)}"
        if self.extended:
            text += f"; header newer, longer than declared here: {', '.join(self.extended)}"
        return text


@dataclass(frozen=True)
class _Assertion:
    what: str
    condition: str
    expected: str


def compile_flags() -> list[str]:
    """The compiler flags of libdrm according to pkg-config; Debian's and Fedora's include path where it is missing."""
    try:
        result = subprocess.run(
            ["pkg-config", "--cflags", "libdrm", "libdrm_amdgpu"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ["-I/usr/include/libdrm"]
    return shlex.split(result.stdout)


def check(modules: Iterable[ModuleType], flags: Sequence[str] | None = None) -> AbiReport:
    """Compare the structs, ioctls and constants of these modules with the installed headers.

    Raises `AbiMismatch` with one line per contradiction, or with the compiler's text if it cannot be run.
    """
    structs: dict[str, Struct] = {}
    ioctls: dict[str, Ioctl] = {}
    constants: dict[str, int] = {}
    for module in modules:
        for name, value in vars(module).items():
            if name.startswith("_"):
                continue
            if isinstance(value, Struct):
                structs[value.name] = value
            elif isinstance(value, Ioctl):
                ioctls[value.name] = value
            elif isinstance(value, int) and name.startswith(_CONSTANT_PREFIXES) and name not in _NOT_INSTALLED:
                constants[name] = value
    flags = compile_flags() if flags is None else flags
    report = AbiReport()
    problems: list[str] = []
    comparable = _check_structs(structs, flags, report, problems)
    plain = [
        _Assertion(name, f"({name}) {'<=' if name in _COUNTS else '=='} {value}", hex(value))
        for name, value in constants.items()
    ]
    for ioctl in ioctls.values():
        whole = ioctl.struct is None or ioctl.struct.name in comparable
        mask = 0xFFFFFFFF if whole else 0xC000FFFF  # the size bits follow the struct, which differs in age
        plain.append(
            _Assertion(ioctl.name, f"({ioctl.name} & {mask}u) == {ioctl.kernel_request & mask}u", hex(ioctl.request))
        )
    for assertion, verdict in zip(plain, _compile(plain, flags), strict=True):
        _record(assertion, verdict, report, problems)
    if problems:
        raise AbiMismatch("amdgpu_hw.uapi contradicts the installed headers:\n  " + "\n  ".join(problems))
    return report


def _check_structs(
    structs: dict[str, Struct], flags: Sequence[str], report: AbiReport, problems: list[str]
) -> set[str]:
    """Check members and sizes; returns the names of the structs whose size is the header's."""
    members = [
        _Assertion(
            f"{struct.name}.{member.name}",
            f"offsetof({_c_type(struct.name)}, {_path(struct.name, member.name)}) == {member.offset} && "
            f"sizeof((({_c_type(struct.name)} *)0)->{_path(struct.name, member.name)}) == {member.size}",
            f"offset {member.offset}, {member.size} bytes",
        )
        for struct in structs.values()
        for member in struct.fields
    ]
    absent: dict[str, set[str]] = {name: set() for name in structs}
    for assertion, verdict in zip(members, _compile(members, flags), strict=True):
        struct_name, member_name = assertion.what.split(".")
        if verdict == "absent":
            absent[struct_name].add(member_name)
        else:
            _record(assertion, verdict, report, problems)
    sizes = []
    for struct in structs.values():
        size, limit = f"sizeof({_c_type(struct.name)})", _end_in_header(struct, absent[struct.name])
        condition = f"{size} == {limit}" if limit == struct.size else f"{size} <= {limit}"
        sizes.append(_Assertion(f"struct {struct.name}", condition, f"{struct.size} bytes"))
        sizes.append(_Assertion(f"struct {struct.name}", f"{size} > {struct.size}", f"more than {struct.size} bytes"))
    results = _compile(sizes, flags)
    comparable = set()
    for struct, assertion, verdict, longer in zip(
        structs.values(), sizes[::2], results[::2], results[1::2], strict=True
    ):
        if longer == "holds":
            report.extended.append(struct.name)
            continue
        _record(assertion, verdict, report, problems)
        if verdict == "absent":  # the whole struct: no need to list its members
            continue
        report.skipped.extend(f"{struct.name}.{member}" for member in sorted(absent[struct.name]))
        if _end_in_header(struct, absent[struct.name]) == struct.size:
            comparable.add(struct.name)
    return comparable


def _end_in_header(struct: Struct, absent: set[str]) -> int:
    """Where the struct has to end in a header that lacks these members: at the first of the missing last ones.

    A missing member before others is one whose place had another name (``_pad``) and does not move the end.
    """
    end = struct.size
    for member in reversed(struct.fields):
        if member.name not in absent:
            break
        end = -(-member.offset // 8) * 8
    return end


def _c_type(name: str) -> str:
    if name in _UNNAMED_TYPES:
        union, member = _UNNAMED_TYPES[name]
        return f"__typeof__((({union} *)0)->{member})"
    return f"struct {name}"


def _path(struct: str, member: str) -> str:
    return _MEMBER_PATHS.get(struct, {}).get(member, member)


def _record(assertion: _Assertion, verdict: str, report: AbiReport, problems: list[str]) -> None:
    if verdict == "holds":
        report.agreed += 1
    elif verdict == "absent":
        report.skipped.append(assertion.what)
    elif verdict == "differs":
        problems.append(f"{assertion.what}: declared as {assertion.expected}, the header has something else")
    else:
        problems.append(f"{assertion.what}: {verdict}")


def _compile(assertions: Sequence[_Assertion], flags: Sequence[str]) -> list[str]:
    """For each assertion "holds", "absent", "differs", or the compiler's words when they mean something else."""
    lines = [f"#if __has_include(<{header}>)\n#include <{header}>\n#endif" for header in HEADERS]
    lines.append('#line 1 "assertions.c"')
    lines.extend(f'_Static_assert({assertion.condition}, "differs");' for assertion in assertions)
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    command = [*compiler, "-w", "-fsyntax-only", "-x", "c", *flags, "-"]
    try:
        result = subprocess.run(
            command, input="\n".join(lines) + "\n", capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
        )
    except OSError as error:
        raise AbiMismatch(f"cannot run the C compiler {compiler[0]}: {error.strerror}; install gcc or clang") from error
    verdicts = ["holds"] * len(assertions)
    diagnostics = list(_DIAGNOSTIC.finditer(result.stderr))
    if result.stderr.count("error: ") != len(diagnostics) or (result.returncode != 0 and not diagnostics):
        raise AbiMismatch(f"the headers do not compile with {shlex.join(command)}:\n{result.stderr}")
    for diagnostic in diagnostics:
        index, text = int(diagnostic["line"]) - 1, diagnostic["text"]
        if _ABSENT.search(text):
            verdicts[index] = "absent"
        elif verdicts[index] != "absent":  # an absent name makes the same line fail in other ways, too
            verdicts[index] = "differs" if _DIFFERS.search(text) else text
    return verdicts
