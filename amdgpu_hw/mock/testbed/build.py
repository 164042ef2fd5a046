# SPDX-License-Identifier: MIT
"""Builds `amdgpu_hw.mock.testbed._umockdev`: libumockdev behind CFFI (API mode, compiled against its header).

Optional: without libumockdev's development files the package installs without it, and has no mock machine.
"""

from __future__ import annotations

import shlex
import subprocess

from cffi import FFI

_DECLARATIONS = """
typedef int gboolean;
typedef char gchar;
typedef ... UMockdevTestbed;
typedef struct { gchar *message; ...; } GError;

UMockdevTestbed *umockdev_testbed_new(void);
gchar *umockdev_testbed_get_root_dir(UMockdevTestbed *self);
gboolean umockdev_testbed_add_from_string(UMockdevTestbed *self, const gchar *data, GError **error);
void umockdev_testbed_set_attribute(UMockdevTestbed *self, const gchar *devpath, const gchar *name, const gchar *value);
void umockdev_testbed_remove_device(UMockdevTestbed *self, const gchar *syspath);

void g_object_unref(void *object);
void g_free(void *memory);
void g_error_free(GError *error);
"""


def _pkg_config(option: str) -> list[str]:
    """Flags of umockdev-1.0; none when pkg-config does not know it, and the compiler then says what is missing."""
    try:
        result = subprocess.run(["pkg-config", option, "umockdev-1.0"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return shlex.split(result.stdout)


ffibuilder = FFI()
ffibuilder.cdef(_DECLARATIONS)
ffibuilder.set_source(
    "amdgpu_hw.mock.testbed._umockdev",
    "#include <umockdev.h>",
    extra_compile_args=_pkg_config("--cflags"),
    extra_link_args=_pkg_config("--libs") or ["-lumockdev", "-lgobject-2.0", "-lglib-2.0"],
    optional=True,
)
