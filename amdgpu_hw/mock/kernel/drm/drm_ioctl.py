# SPDX-License-Identifier: MIT
"""Dispatch of DRM ioctls and the core's own ones (drivers/gpu/drm/drm_ioctl.c)."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from amdgpu_hw.mock.kernel.drm import drm_auth, drm_dumb_buffers, drm_gem, drm_prime, mode_setting
from amdgpu_hw.mock.kernel.drm.drm_syncobj import syncobj as drm_syncobj
from amdgpu_hw.mock.kernel.drm.drm_syncobj import wait as syncobj_wait
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.kernel import capable
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import drm as uapi
from amdgpu_hw.uapi.layout import Ioctl, io

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller
    from amdgpu_hw.mock.variants import Variant

__all__ = (
    "DRM_AUTH",
    "DRM_MASTER",
    "DRM_RENDER_ALLOW",
    "DRM_ROOT_ONLY",
    "DrmIoctlDesc",
    "IoctlFunction",
    "IoctlPlan",
    "drm_ioctl",
)

DRM_AUTH = 1 << 0
"""On the primary node only for an authenticated file."""
DRM_MASTER = 1 << 1
"""Only for the current master."""
DRM_ROOT_ONLY = 1 << 2
"""Only for root (CAP_SYS_ADMIN)."""
DRM_RENDER_ALLOW = 1 << 5
"""Allowed on render nodes."""

IoctlFunction: TypeAlias = "Callable[[DrmDevice, bytearray, DrmFile, Caller], int | Blocking[int]]"
"""``func(dev, data, filp, caller)``. ``data`` is the argument, at least as long as the kernel's struct; outputs are
written into it. Returns 0 (or a positive result) or raises `KernelError`; what is in ``data`` is copied back even then.
A function that may sleep is a generator."""

DRM_IF_MAJOR = 1
DRM_IF_MINOR = 4
DRM_CLIENT_NAME_MAX_LEN = 64
OVERFLOW_UID = 65534
_MAX_PLANS = 4096
_IOC_WRITE = 1 << 30
_IOC_READ = 2 << 30


@dataclass(frozen=True, slots=True)
class DrmIoctlDesc:
    """One entry of an ioctl table (`DRM_IOCTL_DEF`)."""

    ioctl: Ioctl
    flags: int
    func: IoctlFunction


class IoctlPlan:
    """What `drm_ioctl` works out from a request number: the handler and the sizes to copy (bytes)."""

    __slots__ = ("flags", "func", "in_size", "out_size", "padding", "render_ok")

    def __init__(self, desc: DrmIoctlDesc, request: int) -> None:
        user_size = request >> 16 & 0x3FFF
        both = request & desc.ioctl.kernel_request
        self.func = desc.func
        self.flags = desc.flags
        self.in_size = user_size if both & _IOC_WRITE else 0
        self.out_size = user_size if both & _IOC_READ else 0
        self.padding = bytes(max(user_size, desc.ioctl.size) - self.in_size)
        self.render_ok = desc.flags & (DRM_RENDER_ALLOW | DRM_ROOT_ONLY | DRM_MASTER) == DRM_RENDER_ALLOW


def drm_ioctl(filp: DrmFile, caller: Caller, request: int, argp: int) -> int | Blocking[int]:
    """One ioctl on a DRM node. Only the number within the type selects the handler; see KERNEL.md 1.1.

    Order: unplugged ENODEV, other type ENOTTY, unknown number EINVAL, argument not readable EFAULT, no permission
    EACCES, the handler, argument not writable EFAULT.
    """
    dev = filp.dev
    if dev.unplugged:
        raise KernelError(errno.ENODEV, "unplugged")
    plan = dev.ioctl_plans.get(request)
    if plan is None:
        plan = _plan_of(dev, request)
    data = bytearray(caller.copy_from_user(argp, plan.in_size)) if plan.in_size else bytearray()
    data += plan.padding
    if filp.pid != caller.pid and not filp.was_master:
        filp.pid = caller.pid  # drm_file_update_pid: the file was passed to another process.
    if not (plan.render_ok and filp.is_render):
        try:
            _drm_ioctl_permit(plan.flags, filp, caller)
        except KernelError:
            _copy_out(plan, data, caller, argp)
            raise
    try:
        result = plan.func(dev, data, filp, caller)
    except KernelError:
        _copy_out(plan, data, caller, argp)
        raise
    if result.__class__ is not int:
        return _finish_sleeping(result, plan, data, caller, argp)  # type: ignore[arg-type]
    if plan.out_size:
        _copy_out(plan, data, caller, argp)
    return result


def _finish_sleeping(
    handler: Blocking[int], plan: IoctlPlan, data: bytearray, caller: Caller, argp: int
) -> Blocking[int]:
    try:
        result = yield from handler
    except KernelError:
        _copy_out(plan, data, caller, argp)
        raise
    _copy_out(plan, data, caller, argp)
    return result


def _copy_out(plan: IoctlPlan, data: bytearray, caller: Caller, argp: int) -> None:
    size = plan.out_size
    if size:
        caller.copy_argument_to_user(argp, data if size == len(data) else data[:size])


def _plan_of(dev: DrmDevice, request: int) -> IoctlPlan:
    if request >> 8 & 0xFF != uapi.DRM_IOCTL_BASE:
        raise KernelError(errno.ENOTTY, f"request {request:#010x} is not a DRM ioctl")
    nr = request & 0xFF
    if uapi.DRM_COMMAND_BASE <= nr < uapi.DRM_COMMAND_END:
        desc = dev.driver.ioctls.get(nr)
    else:
        desc = _CORE_IOCTLS.get(nr)
        if nr in _SINCE and not _SINCE[nr](dev.variant):
            desc = None
    if desc is None:
        raise KernelError(errno.EINVAL, f"{dev!r} has no ioctl {nr:#04x}")
    plan = IoctlPlan(desc, request)
    if len(dev.ioctl_plans) < _MAX_PLANS:  # A client may try all 2^32 numbers.
        dev.ioctl_plans[request] = plan
    return plan


def _drm_ioctl_permit(flags: int, filp: DrmFile, caller: Caller) -> None:
    if flags & DRM_ROOT_ONLY and not capable(caller):
        raise KernelError(errno.EACCES, "needs root")
    if flags & DRM_AUTH and not filp.is_render and not filp.authenticated:
        raise KernelError(errno.EACCES, "not authenticated")
    if flags & DRM_MASTER and not drm_auth.drm_is_current_master(filp):
        raise KernelError(errno.EACCES, "not master")
    if filp.is_render and not flags & DRM_RENDER_ALLOW:
        raise KernelError(errno.EACCES, "not on a render node")


# -- the core's own ioctls ----------------------------------------------------------------------------------------

_U64 = struct.Struct("<Q")
_U32 = struct.Struct("<I")
_GET_CAP_VALUE = uapi.GET_CAP.offset("value")

# GET_CAP on every driver (drm_getcap); the syncobj ones depend on the driver.
_CAPS = {
    uapi.DRM_CAP_PRIME: uapi.DRM_PRIME_CAP_IMPORT | uapi.DRM_PRIME_CAP_EXPORT,
    uapi.DRM_CAP_TIMESTAMP_MONOTONIC: 1,
}
# And on drivers with a display; DrmDriver.caps says what a driver answers instead.
_ASYNC_FLIP_CAP = 0x15  # ATOMIC_ASYNC_PAGE_FLIP
_MODESET_CAPS = {
    uapi.DRM_CAP_DUMB_BUFFER: 0,
    0x2: 1,  # VBLANK_HIGH_CRTC
    0x3: 0,  # DUMB_PREFERRED_DEPTH
    0x4: 0,  # DUMB_PREFER_SHADOW
    0x7: 0,  # ASYNC_PAGE_FLIP
    uapi.DRM_CAP_CURSOR_WIDTH: 64,
    uapi.DRM_CAP_CURSOR_HEIGHT: 64,
    uapi.DRM_CAP_ADDFB2_MODIFIERS: 1,
    0x11: 1,  # PAGE_FLIP_TARGET
    0x12: 1,  # CRTC_IN_VBLANK_EVENT
    _ASYNC_FLIP_CAP: 0,
}


def drm_getcap(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """GET_CAP: 0 first, then the answer; EOPNOTSUPP for a display cap without a display, EINVAL if unknown."""
    (capability,) = _U64.unpack_from(data)
    driver = dev.driver
    value = _CAPS.get(capability)
    if value is None:
        _U64.pack_into(data, _GET_CAP_VALUE, 0)
        if capability in (uapi.DRM_CAP_SYNCOBJ, uapi.DRM_CAP_SYNCOBJ_TIMELINE):
            value = int(driver.has_syncobj)
        elif not driver.has_modeset:
            raise KernelError(errno.EOPNOTSUPP, f"cap {capability:#x} needs a display")
        elif capability == uapi.DRM_CAP_DUMB_BUFFER:
            value = int(driver.dumb_create is not None)
        elif capability in _MODESET_CAPS and (capability != _ASYNC_FLIP_CAP or dev.variant.has_cursor_hotspot):
            value = driver.caps.get(capability, _MODESET_CAPS[capability])
        else:
            raise KernelError(errno.EINVAL, f"cap {capability:#x}")
    _U64.pack_into(data, _GET_CAP_VALUE, value)
    return 0


_CLIENT_CAPS_MAX = {
    1: 1,  # STEREO_3D
    2: 1,  # UNIVERSAL_PLANES
    4: 1,  # ASPECT_RATIO
}
_HOTSPOT = 6
_CLIENT_CAPS_OF_OTHER_FEATURES = {
    3: "ATOMIC",
    _HOTSPOT: "CURSOR_PLANE_HOTSPOT",
}
"""Refused with EOPNOTSUPP by a driver without the feature, whatever the value is."""


def drm_setclientcap(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """SET_CLIENT_CAP: EOPNOTSUPP without a display, or for features the mock machine has not; EINVAL for the rest.

    WRITEBACK_CONNECTORS (5) and PLANE_COLOR_PIPELINE (7) need an atomic client, which there is none of: EINVAL.
    """
    if not dev.driver.has_modeset:
        raise KernelError(errno.EOPNOTSUPP, "client caps need a display")
    capability, value = uapi.SET_CLIENT_CAP.unpack_from(data)
    if capability in _CLIENT_CAPS_OF_OTHER_FEATURES and (capability != _HOTSPOT or dev.variant.has_cursor_hotspot):
        raise KernelError(errno.EOPNOTSUPP, f"no {_CLIENT_CAPS_OF_OTHER_FEATURES[capability]}")
    if capability not in _CLIENT_CAPS_MAX or value > _CLIENT_CAPS_MAX[capability]:
        raise KernelError(errno.EINVAL, f"client cap {capability} = {value}")
    filp.client_caps[capability] = value
    return 0


def drm_version(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """VERSION: numbers, and as much of the three strings as the client has room for; the lengths are the real ones."""
    driver = dev.driver
    _, _, _, name_len, name, date_len, date, desc_len, desc = uapi.VERSION.unpack_from(data)
    struct.pack_into("<iii", data, 0, *driver.version)
    for field, address, room, text in (
        ("name_len", name, name_len, driver.name),
        ("date_len", date, date_len, driver.date),
        ("desc_len", desc, desc_len, driver.desc),
    ):
        _U64.pack_into(data, uapi.VERSION.offset(field), len(text))
        if address and room:
            caller.copy_to_user(address, text.encode()[:room])
    return 0


def drm_getunique(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """GET_UNIQUE: the bus id, empty until SET_VERSION asked for it (drm_ioctl.c tells why that must be so)."""
    room, address = uapi.UNIQUE.unpack_from(data)
    unique = (filp.master.unique or "") if filp.master is not None else ""
    if unique and room >= len(unique):
        caller.copy_to_user(address, unique.encode())
    _U64.pack_into(data, 0, len(unique))
    return 0


def drm_getclient(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """GET_CLIENT: only client 0 exists and is the caller itself; EINVAL ends everybody's enumeration.

    Leaves out: namespaces of process ids.
    """
    (index,) = struct.unpack_from("<i", data)
    if index != 0:
        raise KernelError(errno.EINVAL, f"client {index}")
    uapi.CLIENT.pack_into(data, 0, 0, int(filp.authenticated), caller.tid, OVERFLOW_UID, 0, 0)
    return 0


def drm_getstats(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """GET_STATS: all zeros since long ago."""
    data[:] = bytes(len(data))
    return 0


def drm_setversion(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """SET_VERSION: EINVAL for a version this is not; the real ones come back either way. Makes the bus id known."""
    di_major, di_minor, dd_major, dd_minor = uapi.SET_VERSION.unpack_from(data)
    major, minor, _ = dev.driver.version
    uapi.SET_VERSION.pack_into(data, 0, DRM_IF_MAJOR, DRM_IF_MINOR, major, minor)
    if di_major != -1:
        if di_major != DRM_IF_MAJOR or not 0 <= di_minor <= DRM_IF_MINOR:
            raise KernelError(errno.EINVAL, f"interface version {di_major}.{di_minor}")
        dev.if_version = max(dev.if_version, di_major << 16 | di_minor)
        if di_minor >= 1 and filp.master is not None:
            filp.master.unique = dev.unique
    if dd_major != -1 and (dd_major != major or not 0 <= dd_minor <= minor):
        raise KernelError(errno.EINVAL, f"driver version {dd_major}.{dd_minor}")
    return 0


def drm_set_client_name(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """SET_CLIENT_NAME: EINVAL when longer than 64 or not made of visible ASCII; length 0 takes the name away."""
    length, address = uapi.SET_CLIENT_NAME.unpack_from(data)
    if length > DRM_CLIENT_NAME_MAX_LEN:
        raise KernelError(errno.EINVAL, f"name of {length} bytes")
    name = caller.copy_from_user(address, length) if length else b""
    if any(not 0x21 <= byte <= 0x7E for byte in name):
        raise KernelError(errno.EINVAL, f"name {name!r}")
    filp.client_name = name.decode("ascii") or None
    return 0


def drm_noop(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """Something that was removed but must not fail."""
    return 0


def drm_invalid_op(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """Something that was removed: EINVAL."""
    raise KernelError(errno.EINVAL, "removed from the kernel")


def _table(*entries: tuple[Ioctl, IoctlFunction, int]) -> dict[int, DrmIoctlDesc]:
    return {ioctl.nr: DrmIoctlDesc(ioctl, flags, func) for ioctl, func, flags in entries}


_ROOT = DRM_AUTH | DRM_MASTER | DRM_ROOT_ONLY

_CORE_IOCTLS = _table(
    (uapi.IOCTL_MODE_GETRESOURCES, mode_setting.list_no_objects, 0),
    (uapi.IOCTL_MODE_GETPLANERESOURCES, mode_setting.list_no_planes, 0),
    *((ioctl, mode_setting.look_up_no_object, 0) for ioctl in mode_setting.LOOK_UP_IOCTLS),
    *((ioctl, mode_setting.refuse_mode_setting, 0) for ioctl in mode_setting.IOCTLS),
    *((ioctl, mode_setting.refuse_mode_setting, DRM_MASTER) for ioctl in mode_setting.MASTER_IOCTLS),
    (io("DRM_IOCTL_SET_UNIQUE", "d", 0x10), drm_invalid_op, _ROOT),
    (io("DRM_IOCTL_BLOCK", "d", 0x12), drm_noop, _ROOT),
    (io("DRM_IOCTL_UNBLOCK", "d", 0x13), drm_noop, _ROOT),
    (io("DRM_IOCTL_ADD_DRAW", "d", 0x27), drm_noop, _ROOT),
    (io("DRM_IOCTL_RM_DRAW", "d", 0x28), drm_noop, _ROOT),
    (io("DRM_IOCTL_FINISH", "d", 0x2C), drm_noop, DRM_AUTH),
    (io("DRM_IOCTL_MODE_ATTACHMODE", "d", 0xA8), drm_noop, DRM_MASTER),
    (io("DRM_IOCTL_MODE_DETACHMODE", "d", 0xA9), drm_noop, DRM_MASTER),
    (io("DRM_IOCTL_UPDATE_DRAW", "d", 0x3F), drm_noop, _ROOT),
    (uapi.IOCTL_VERSION, drm_version, DRM_RENDER_ALLOW),
    (uapi.IOCTL_GET_UNIQUE, drm_getunique, 0),
    (uapi.IOCTL_GET_MAGIC, drm_auth.drm_getmagic, 0),
    (uapi.IOCTL_GET_CLIENT, drm_getclient, 0),
    (uapi.IOCTL_GET_STATS, drm_getstats, 0),
    (uapi.IOCTL_GET_CAP, drm_getcap, DRM_RENDER_ALLOW),
    (uapi.IOCTL_SET_CLIENT_CAP, drm_setclientcap, 0),
    (uapi.IOCTL_SET_VERSION, drm_setversion, DRM_MASTER),
    (uapi.IOCTL_AUTH_MAGIC, drm_auth.drm_authmagic, DRM_MASTER),
    (uapi.IOCTL_SET_MASTER, drm_auth.drm_setmaster_ioctl, 0),
    (uapi.IOCTL_DROP_MASTER, drm_auth.drm_dropmaster_ioctl, 0),
    (uapi.IOCTL_GEM_CLOSE, drm_gem.drm_gem_close_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_GEM_FLINK, drm_gem.drm_gem_flink_ioctl, DRM_AUTH),
    (uapi.IOCTL_GEM_OPEN, drm_gem.drm_gem_open_ioctl, DRM_AUTH),
    (uapi.IOCTL_GEM_CHANGE_HANDLE, drm_gem.drm_gem_change_handle_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_PRIME_HANDLE_TO_FD, drm_prime.drm_prime_handle_to_fd_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_PRIME_FD_TO_HANDLE, drm_prime.drm_prime_fd_to_handle_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_SET_CLIENT_NAME, drm_set_client_name, DRM_RENDER_ALLOW),
    (uapi.IOCTL_MODE_CREATE_DUMB, drm_dumb_buffers.drm_mode_create_dumb_ioctl, 0),
    (uapi.IOCTL_MODE_MAP_DUMB, drm_dumb_buffers.drm_mode_mmap_dumb_ioctl, 0),
    (uapi.IOCTL_MODE_DESTROY_DUMB, drm_dumb_buffers.drm_mode_destroy_dumb_ioctl, 0),
    (uapi.IOCTL_SYNCOBJ_CREATE, drm_syncobj.drm_syncobj_create_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_SYNCOBJ_DESTROY, drm_syncobj.drm_syncobj_destroy_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_SYNCOBJ_HANDLE_TO_FD, drm_syncobj.drm_syncobj_handle_to_fd_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_SYNCOBJ_FD_TO_HANDLE, drm_syncobj.drm_syncobj_fd_to_handle_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_SYNCOBJ_TRANSFER, drm_syncobj.drm_syncobj_transfer_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_SYNCOBJ_WAIT, syncobj_wait.drm_syncobj_wait_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_SYNCOBJ_TIMELINE_WAIT, syncobj_wait.drm_syncobj_timeline_wait_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_SYNCOBJ_EVENTFD, syncobj_wait.drm_syncobj_eventfd_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_SYNCOBJ_RESET, syncobj_wait.drm_syncobj_reset_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_SYNCOBJ_SIGNAL, syncobj_wait.drm_syncobj_signal_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_SYNCOBJ_TIMELINE_SIGNAL, syncobj_wait.drm_syncobj_timeline_signal_ioctl, DRM_RENDER_ALLOW),
    (uapi.IOCTL_SYNCOBJ_QUERY, syncobj_wait.drm_syncobj_query_ioctl, DRM_RENDER_ALLOW),
)

# Ioctls that not every kernel variant has.
_SINCE: dict[int, Callable[[Variant], bool]] = {
    uapi.IOCTL_SET_CLIENT_NAME.nr: lambda variant: variant.has_client_name,
    uapi.IOCTL_SYNCOBJ_EVENTFD.nr: lambda variant: variant.has_syncobj_eventfd,
    uapi.IOCTL_GEM_CHANGE_HANDLE.nr: lambda variant: variant.has_change_handle,
}
