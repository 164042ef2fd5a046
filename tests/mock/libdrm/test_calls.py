# SPDX-License-Identifier: MIT
"""How libdrm's two kinds of error become exceptions, and what the module does without the newer calls."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from amdgpu_hw.errors import DrmError
from amdgpu_hw.libdrm import core, vm
from amdgpu_hw.libdrm.calls import check, check_errno, ffi, lib
from amdgpu_hw.libdrm.device import AmdgpuDeviceHandle
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VA_OP_CLEAR


def test_a_negative_return_value_is_the_errno() -> None:
    """libdrm_amdgpu returns -EINVAL; zero and positive values are no errors."""
    check(0, "X")
    check(3, "X")
    with pytest.raises(DrmError) as caught:
        check(-errno.EINVAL, "GEM_VA", flags=0x410)
    assert (caught.value.errno, caught.value.ioctl) == (errno.EINVAL, "GEM_VA")


def test_minus_one_means_errno() -> None:
    """libdrm itself returns -1 and sets errno."""
    check_errno(0, "X")
    ffi.errno = errno.ENOENT
    with pytest.raises(DrmError) as caught:
        check_errno(-1, "SYNCOBJ_DESTROY", handle=5)
    assert caught.value.errno == errno.ENOENT


def test_asking_a_file_that_is_no_drm_node_for_its_driver() -> None:
    """drmGetVersion's NULL becomes the ioctl's errno."""
    with open("/dev/null") as file, pytest.raises(DrmError) as caught:
        core.version(file.fileno())
    assert caught.value.errno == errno.ENOTTY


def test_caps_that_the_kernel_does_not_know_are_zero() -> None:
    """A failing GET_CAP means: not there."""
    with open("/dev/null") as file:
        assert core.get_cap(file.fileno(), 0x14) == 0


def test_a_device_on_a_file_that_is_no_drm_node() -> None:
    """libdrm_amdgpu's refusal is a DrmError, and the descriptor is closed all the same."""
    fd = os.open("/dev/null", os.O_RDWR)
    with pytest.raises(DrmError):
        AmdgpuDeviceHandle(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


@pytest.mark.skipif(lib.glue_has_bo_va_op_raw2(), reason="this libdrm has amdgpu_bo_va_op_raw2")
def test_gem_va_goes_through_the_ioctl_where_libdrm_is_too_old() -> None:
    """Without amdgpu_bo_va_op_raw2 the same 64-byte GEM_VA is sent, syncobjs included."""
    with open("/dev/null") as file:
        device = cast(Any, SimpleNamespace(fd=file.fileno()))
        operation = vm.VaOperation(AMDGPU_VA_OP_CLEAR, 1 << 10, 0x10000, 4096, syncobj_out=3, inputs=(1, 2))
        with pytest.raises(DrmError) as caught:
            vm.bo_va_op(device, None, operation)
    assert caught.value.errno == errno.ENOTTY
    assert caught.value.arguments["vm_timeline_syncobj_out"] == 3
    assert caught.value.arguments["num_syncobj_handles"] == 2
    assert caught.value.arguments["input_fence_syncobj_handles"] != 0


def test_the_package_loads_without_the_bindings() -> None:
    """The mock kernel's process imports the package and never libdrm."""
    script = (
        "import sys, amdgpu_hw, amdgpu_hw.uapi.drm, amdgpu_hw.errors; print([m for m in sys.modules if 'libdrm' in m])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
