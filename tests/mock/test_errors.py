# SPDX-License-Identifier: MIT
"""The hierarchy of errors, and what a DrmError tells."""

from __future__ import annotations

import errno
import inspect
import pickle

import pytest

from amdgpu_hw import errors
from amdgpu_hw.errors import AmdgpuHwError, DrmError, HarnessError


def test_every_error_has_the_one_root() -> None:
    """`except AmdgpuHwError` catches all that this package raises by itself."""
    classes = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, Exception)]
    assert len(classes) > 8
    assert all(issubclass(item, AmdgpuHwError) for item in classes)


def test_the_harness_and_the_kernel_are_told_apart() -> None:
    """The kernel's refusal is never a HarnessError, and only it is an OSError."""
    assert not issubclass(DrmError, HarnessError)
    assert issubclass(DrmError, OSError)
    assert not issubclass(HarnessError, OSError)


def test_the_message_names_ioctl_errno_and_arguments() -> None:
    """Flags, addresses and sizes in hex, the rest in decimal, the errno by name."""
    error = DrmError(
        errno.EINVAL,
        "DRM_IOCTL_AMDGPU_GEM_VA",
        {"handle": 12, "operation": 2, "flags": 0x410, "va_address": 0x8000_0000_0000, "map_size": 65536},
    )
    assert str(error) == (
        "DRM_IOCTL_AMDGPU_GEM_VA(handle=12, operation=2, flags=0x410, va_address=0x800000000000, "
        "map_size=0x10000): EINVAL (Invalid argument)"
    )


def test_it_is_an_os_error() -> None:
    """errno and strerror are where every Python programmer looks for them."""
    error = DrmError(errno.ENOENT, "GEM_CLOSE")
    assert error.errno == errno.ENOENT
    assert error.errno_name == "ENOENT"
    assert error.strerror == "No such file or directory"


@pytest.mark.parametrize(("number", "name"), [(22, "EINVAL"), (524, "ENOTSUPP"), (512, "ERESTARTSYS"), (999, "999")])
def test_errnos_that_only_the_kernel_has_are_named(number: int, name: str) -> None:
    """User queues answer ENOTSUPP, which errno.h does not know."""
    assert errors.errno_name(number) == name


def test_large_arguments_are_not_printed() -> None:
    """Buffers appear by their size."""
    assert "data=<5000 bytes>" in str(DrmError(errno.EFAULT, "X", {"data": bytes(5000)}))


def test_a_drm_error_survives_pickling() -> None:
    """It can be passed between processes (pytest-xdist, multiprocessing)."""
    error = pickle.loads(pickle.dumps(DrmError(errno.EIO, "CS", {"chunks": [1]})))
    assert (error.errno, error.ioctl, error.arguments) == (errno.EIO, "CS", {"chunks": [1]})
