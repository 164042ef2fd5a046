# SPDX-License-Identifier: MIT
"""Which flag words GEM_VA accepts: AMDGPU_VM_EXPLICIT_SYNC is legal wherever the word without it is."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Iterator
from functools import partial

from amdgpu_hw.errors import DrmError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.words import flag_words
from amdgpu_hw.uapi import amdgpu_drm as uapi

EXPLICIT = uapi.AMDGPU_VM_EXPLICIT_SYNC
PRT = uapi.AMDGPU_VM_PAGE_PRT
RWX = uapi.AMDGPU_VM_PAGE_READABLE | uapi.AMDGPU_VM_PAGE_WRITEABLE | uapi.AMDGPU_VM_PAGE_EXECUTABLE

OPERATIONS = {
    "MAP": uapi.AMDGPU_VA_OP_MAP,
    "UNMAP": uapi.AMDGPU_VA_OP_UNMAP,
    "CLEAR": uapi.AMDGPU_VA_OP_CLEAR,
    "REPLACE": uapi.AMDGPU_VA_OP_REPLACE,
}

# What may stand beside PRT in one word is DELAY_UPDATE alone: the word must fit one of the kernel's two masks.
NEVER_WITH_PRT = (
    uapi.AMDGPU_VM_PAGE_READABLE,
    uapi.AMDGPU_VM_PAGE_WRITEABLE,
    uapi.AMDGPU_VM_PAGE_EXECUTABLE,
    uapi.AMDGPU_VM_MTYPE_NC,
    uapi.AMDGPU_VM_PAGE_NOALLOC,
)


@behaviour("B01", "an explicit CLEAR of an empty range is accepted", needs="explicit_sync")
def test_explicit_clear_of_nothing_is_accepted(gpu: Gpu, must: Must) -> None:
    """User space finds the feature so: the flag is known, and trying changes nothing."""
    page = gpu.reserve(PAGE_SIZE)
    must.accept("explicit CLEAR of an empty page", lambda: page.clear(explicit_sync=True))
    must.accept("MAP PRT there", page.map_prt)


@behaviour(
    "B02",
    "with the flag every operation accepts exactly the words that it accepts without",
    needs="explicit_sync",
    rule="The flag is in both masks of amdgpu_gem_va_ioctl.",
)
def test_flag_is_legal_wherever_the_word_without_it_is(gpu: Gpu, must: Must, always_valid: Buffer) -> None:
    """A flag that only one of the two masks knows would work for buffers and fail for PRT, or the reverse."""
    words = [
        *(0, PRT, PRT | uapi.AMDGPU_VM_DELAY_UPDATE, RWX, RWX | uapi.AMDGPU_VM_DELAY_UPDATE),
        *(uapi.AMDGPU_VM_DELAY_UPDATE, RWX | uapi.AMDGPU_VM_PAGE_NOALLOC, RWX | uapi.AMDGPU_VM_MTYPE_UC),
        *(PRT | uapi.AMDGPU_VM_PAGE_READABLE, RWX | 1 << 11),
    ]

    def calls() -> Iterator[tuple[str, int, Callable[[], object]]]:
        for (name, operation), word in itertools.product(OPERATIONS.items(), words):
            plain = answer(gpu, always_valid, operation, word)
            yield (
                f"{name} {flag_words(word | EXPLICIT)}",
                plain,
                partial(use, gpu, always_valid, operation, word | EXPLICIT),
            )

    must.answer(f"{len(words)} flag words with EXPLICIT_SYNC on all four operations", calls())


@behaviour("B03", "words that no mask holds are refused, with the flag and without")
def test_illegal_words_stay_illegal(gpu: Gpu, must: Must) -> None:
    """PRT goes with nothing but DELAY_UPDATE, and unknown bits are errors: what they may mean one day must not pass."""
    illegal = [PRT | bits for bits in NEVER_WITH_PRT] + [1 << bit for bit in range(11, 32)]
    page = gpu.reserve(PAGE_SIZE)
    must.answer(
        "CLEAR with PRT and protection or caching bits, and with every unknown bit",
        (
            (
                f"CLEAR {flag_words(word)}",
                errno.EINVAL,
                partial(gpu.gem_va_raw, operation=uapi.AMDGPU_VA_OP_CLEAR, va=page.va, size=page.size, flags=word),
            )
            for word in [*illegal, *(bits | EXPLICIT for bits in illegal)]
        ),
    )


@behaviour("B04", "the driver's version agrees with the flag: known from 3.65 on, and not before")
def test_version_agrees_with_the_flag(gpu: Gpu, must: Must) -> None:
    """User space that goes by the version must not be misled, but had better ask the kernel as B01 does."""
    version = gpu.identity.driver_version
    spelled = f"amdgpu {version[0]}.{version[1]}"
    must.did("VERSION beside the probe")
    if gpu.capabilities.explicit_sync:
        otherwise = f"{spelled} knows AMDGPU_VM_EXPLICIT_SYNC, which user space may expect from 3.65 on only."
        must.be(version >= (3, 65), seen=f"{spelled} knows the flag", otherwise=otherwise, kind="note")
    else:
        must.note(f"{spelled} does not know the flag{_other_meaning(version)}")


def _other_meaning(version: tuple[int, int]) -> str:
    # At least three trees gave 3.65 to something else (KERNEL.md 0.1), so the number alone proves nothing broken.
    return ", so its 3.65 means something else" if version >= (3, 65) else ""


def use(gpu: Gpu, buffer: Buffer, operation: int, flags: int) -> None:
    """One operation with a flag word on a page that is mapped as it needs it; nothing is left behind."""
    with gpu.reserve(PAGE_SIZE) as page:
        if operation in (uapi.AMDGPU_VA_OP_UNMAP, uapi.AMDGPU_VA_OP_REPLACE):
            if flags & PRT:
                page.map_prt()
            else:
                page.map(buffer)
        gpu.gem_va_raw(operation=operation, va=page.va, size=page.size, handle=buffer.handle, flags=flags)


def answer(gpu: Gpu, buffer: Buffer, operation: int, flags: int) -> int:
    """The errno of such a use, 0 if it is accepted."""
    try:
        use(gpu, buffer, operation, flags)
    except DrmError as error:
        return error.errno or 0
    return 0
