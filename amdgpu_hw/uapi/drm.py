# SPDX-License-Identifier: MIT
"""DRM core: include/uapi/drm/drm.h and the dumb-buffer part of drm_mode.h.

Structs have their newest layout; `SYNCOBJ_*_OLD_SIZE` are what user space built against older headers sends
(KERNEL.md 1.2), which the kernel accepts because only the ioctl's number selects the handler.
"""

from __future__ import annotations

from amdgpu_hw.uapi.layout import Struct, io, ior, iow, iowr

DRM_IOCTL_BASE = ord("d")
DRM_COMMAND_BASE = 0x40
DRM_COMMAND_END = 0xA0

# Nodes: drm_minor types and how the minor numbers are laid out (drm_drv.c).
DRM_MAJOR = 226
DRM_MINOR_RENDER_BASE = 128

# GET_CAP
DRM_CAP_DUMB_BUFFER = 0x1
DRM_CAP_PRIME = 0x5
DRM_CAP_TIMESTAMP_MONOTONIC = 0x6
DRM_CAP_CURSOR_WIDTH = 0x8
DRM_CAP_CURSOR_HEIGHT = 0x9
DRM_CAP_ADDFB2_MODIFIERS = 0x10
DRM_CAP_SYNCOBJ = 0x13
DRM_CAP_SYNCOBJ_TIMELINE = 0x14

DRM_PRIME_CAP_IMPORT = 0x1
DRM_PRIME_CAP_EXPORT = 0x2

# PRIME_HANDLE_TO_FD: the values of O_CLOEXEC and O_RDWR on every architecture amdgpu runs on.
DRM_CLOEXEC = 0o2000000
DRM_RDWR = 0o2

# Syncobjs
DRM_SYNCOBJ_CREATE_SIGNALED = 1 << 0
DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE = 1 << 0
DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_TIMELINE = 1 << 1
DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE = 1 << 0
DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE = 1 << 1
DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL = 1 << 0
DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT = 1 << 1
DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE = 1 << 2
DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE = 1 << 3
DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED = 1 << 0

VERSION = Struct(
    "drm_version",
    "s32 version_major; s32 version_minor; s32 version_patchlevel; u64 name_len; u64 name; u64 date_len; u64 date;"
    "u64 desc_len; u64 desc",
)
UNIQUE = Struct("drm_unique", "u64 unique_len; u64 unique")
AUTH = Struct("drm_auth", "u32 magic")
CLIENT = Struct("drm_client", "s32 idx; s32 auth; u64 pid; u64 uid; u64 magic; u64 iocs")
STATS = Struct("drm_stats", "u64 count; u8 data[240]")
SET_VERSION = Struct("drm_set_version", "s32 drm_di_major; s32 drm_di_minor; s32 drm_dd_major; s32 drm_dd_minor")
GEM_CLOSE = Struct("drm_gem_close", "u32 handle; u32 pad")
GEM_FLINK = Struct("drm_gem_flink", "u32 handle; u32 name")
GEM_OPEN = Struct("drm_gem_open", "u32 name; u32 handle; u64 size")
GEM_CHANGE_HANDLE = Struct("drm_gem_change_handle", "u32 handle; u32 new_handle")
GET_CAP = Struct("drm_get_cap", "u64 capability; u64 value")
SET_CLIENT_CAP = Struct("drm_set_client_cap", "u64 capability; u64 value")
SET_CLIENT_NAME = Struct("drm_set_client_name", "u64 name_len; u64 name")
PRIME_HANDLE = Struct("drm_prime_handle", "u32 handle; u32 flags; s32 fd")
MODE_CREATE_DUMB = Struct(
    "drm_mode_create_dumb", "u32 height; u32 width; u32 bpp; u32 flags; u32 handle; u32 pitch; u64 size"
)
MODE_MAP_DUMB = Struct("drm_mode_map_dumb", "u32 handle; u32 pad; u64 offset")
MODE_DESTROY_DUMB = Struct("drm_mode_destroy_dumb", "u32 handle")
MODE_CARD_RES = Struct(
    "drm_mode_card_res",
    "u64 fb_id_ptr; u64 crtc_id_ptr; u64 connector_id_ptr; u64 encoder_id_ptr; u32 count_fbs; u32 count_crtcs; "
    "u32 count_connectors; u32 count_encoders; u32 min_width; u32 max_width; u32 min_height; u32 max_height",
)
MODE_GET_PLANE_RES = Struct("drm_mode_get_plane_res", "u64 plane_id_ptr; u32 count_planes")
SYNCOBJ_CREATE = Struct("drm_syncobj_create", "u32 handle; u32 flags")
SYNCOBJ_DESTROY = Struct("drm_syncobj_destroy", "u32 handle; u32 pad")
SYNCOBJ_HANDLE = Struct("drm_syncobj_handle", "u32 handle; u32 flags; s32 fd; u32 pad; u64 point")
SYNCOBJ_WAIT = Struct(
    "drm_syncobj_wait",
    "u64 handles; s64 timeout_nsec; u32 count_handles; u32 flags; u32 first_signaled; u32 pad; u64 deadline_nsec",
)
SYNCOBJ_TIMELINE_WAIT = Struct(
    "drm_syncobj_timeline_wait",
    "u64 handles; u64 points; s64 timeout_nsec; u32 count_handles; u32 flags; u32 first_signaled; u32 pad;"
    "u64 deadline_nsec",
)
SYNCOBJ_ARRAY = Struct("drm_syncobj_array", "u64 handles; u32 count_handles; u32 pad")
SYNCOBJ_TIMELINE_ARRAY = Struct("drm_syncobj_timeline_array", "u64 handles; u64 points; u32 count_handles; u32 flags")
SYNCOBJ_TRANSFER = Struct(
    "drm_syncobj_transfer",
    "u32 src_handle; u32 dst_handle; u64 src_point; u64 dst_point; u32 flags; u32 pad",
)
SYNCOBJ_EVENTFD = Struct("drm_syncobj_eventfd", "u32 handle; u32 flags; u64 point; s32 fd; u32 pad")

SYNCOBJ_HANDLE_OLD_SIZE = 16
SYNCOBJ_WAIT_OLD_SIZE = 32
SYNCOBJ_TIMELINE_WAIT_OLD_SIZE = 40

IOCTL_VERSION = iowr("DRM_IOCTL_VERSION", "d", 0x00, VERSION)
IOCTL_GET_UNIQUE = iowr("DRM_IOCTL_GET_UNIQUE", "d", 0x01, UNIQUE)
IOCTL_GET_MAGIC = ior("DRM_IOCTL_GET_MAGIC", "d", 0x02, AUTH)
IOCTL_GET_CLIENT = iowr("DRM_IOCTL_GET_CLIENT", "d", 0x05, CLIENT)
IOCTL_GET_STATS = ior("DRM_IOCTL_GET_STATS", "d", 0x06, STATS)
IOCTL_SET_VERSION = iowr("DRM_IOCTL_SET_VERSION", "d", 0x07, SET_VERSION)
IOCTL_GEM_CLOSE = iow("DRM_IOCTL_GEM_CLOSE", "d", 0x09, GEM_CLOSE)
IOCTL_GEM_FLINK = iowr("DRM_IOCTL_GEM_FLINK", "d", 0x0A, GEM_FLINK)
IOCTL_GEM_OPEN = iowr("DRM_IOCTL_GEM_OPEN", "d", 0x0B, GEM_OPEN)
IOCTL_GET_CAP = iowr("DRM_IOCTL_GET_CAP", "d", 0x0C, GET_CAP)
IOCTL_SET_CLIENT_CAP = iow("DRM_IOCTL_SET_CLIENT_CAP", "d", 0x0D, SET_CLIENT_CAP)
IOCTL_AUTH_MAGIC = iow("DRM_IOCTL_AUTH_MAGIC", "d", 0x11, AUTH)
IOCTL_SET_MASTER = io("DRM_IOCTL_SET_MASTER", "d", 0x1E)
IOCTL_DROP_MASTER = io("DRM_IOCTL_DROP_MASTER", "d", 0x1F)
IOCTL_PRIME_HANDLE_TO_FD = iowr("DRM_IOCTL_PRIME_HANDLE_TO_FD", "d", 0x2D, PRIME_HANDLE)
IOCTL_PRIME_FD_TO_HANDLE = iowr("DRM_IOCTL_PRIME_FD_TO_HANDLE", "d", 0x2E, PRIME_HANDLE)
IOCTL_MODE_GETRESOURCES = iowr("DRM_IOCTL_MODE_GETRESOURCES", "d", 0xA0, MODE_CARD_RES)
IOCTL_MODE_GETPLANERESOURCES = iowr("DRM_IOCTL_MODE_GETPLANERESOURCES", "d", 0xB5, MODE_GET_PLANE_RES)
IOCTL_MODE_CREATE_DUMB = iowr("DRM_IOCTL_MODE_CREATE_DUMB", "d", 0xB2, MODE_CREATE_DUMB)
IOCTL_MODE_MAP_DUMB = iowr("DRM_IOCTL_MODE_MAP_DUMB", "d", 0xB3, MODE_MAP_DUMB)
IOCTL_MODE_DESTROY_DUMB = iowr("DRM_IOCTL_MODE_DESTROY_DUMB", "d", 0xB4, MODE_DESTROY_DUMB)
IOCTL_SYNCOBJ_CREATE = iowr("DRM_IOCTL_SYNCOBJ_CREATE", "d", 0xBF, SYNCOBJ_CREATE)
IOCTL_SYNCOBJ_DESTROY = iowr("DRM_IOCTL_SYNCOBJ_DESTROY", "d", 0xC0, SYNCOBJ_DESTROY)
IOCTL_SYNCOBJ_HANDLE_TO_FD = iowr("DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD", "d", 0xC1, SYNCOBJ_HANDLE)
IOCTL_SYNCOBJ_FD_TO_HANDLE = iowr("DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE", "d", 0xC2, SYNCOBJ_HANDLE)
IOCTL_SYNCOBJ_WAIT = iowr("DRM_IOCTL_SYNCOBJ_WAIT", "d", 0xC3, SYNCOBJ_WAIT)
IOCTL_SYNCOBJ_RESET = iowr("DRM_IOCTL_SYNCOBJ_RESET", "d", 0xC4, SYNCOBJ_ARRAY)
IOCTL_SYNCOBJ_SIGNAL = iowr("DRM_IOCTL_SYNCOBJ_SIGNAL", "d", 0xC5, SYNCOBJ_ARRAY)
IOCTL_SYNCOBJ_TIMELINE_WAIT = iowr("DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT", "d", 0xCA, SYNCOBJ_TIMELINE_WAIT)
IOCTL_SYNCOBJ_QUERY = iowr("DRM_IOCTL_SYNCOBJ_QUERY", "d", 0xCB, SYNCOBJ_TIMELINE_ARRAY)
IOCTL_SYNCOBJ_TRANSFER = iowr("DRM_IOCTL_SYNCOBJ_TRANSFER", "d", 0xCC, SYNCOBJ_TRANSFER)
IOCTL_SYNCOBJ_TIMELINE_SIGNAL = iowr("DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL", "d", 0xCD, SYNCOBJ_TIMELINE_ARRAY)
IOCTL_SYNCOBJ_EVENTFD = iowr("DRM_IOCTL_SYNCOBJ_EVENTFD", "d", 0xCF, SYNCOBJ_EVENTFD)
IOCTL_SET_CLIENT_NAME = iowr("DRM_IOCTL_SET_CLIENT_NAME", "d", 0xD1, SET_CLIENT_NAME)
IOCTL_GEM_CHANGE_HANDLE = iowr("DRM_IOCTL_GEM_CHANGE_HANDLE", "d", 0xD2, GEM_CHANGE_HANDLE)
