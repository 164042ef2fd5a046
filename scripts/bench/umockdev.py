# SPDX-License-Identifier: MIT
"""The same through umockdev, for comparison: a node whose ioctls a custom handler answers, in a process of its own.

``python -m bench.umockdev`` is that process: it makes the testbed, attaches the handler (``UMockdevIoctlBase``, signal
``handle-ioctl``) and runs the client, which prints its samples (us) as JSON; ``null`` if umockdev answered ENOTTY by
itself, as it now and then does on a busy host, for all testbeds of a process.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import subprocess
import sys
from typing import Any

from cffi import FFI

from amdgpu_hw.errors import DrmError
from amdgpu_hw.uapi import drm
from bench.node import GET_CAP_ARGUMENT, NODE, BareNode

__all__ = ("main",)

_DECLARATIONS = """
typedef struct UMockdevTestbed UMockdevTestbed;
typedef struct UMockdevIoctlBase UMockdevIoctlBase;
typedef struct UMockdevIoctlClient UMockdevIoctlClient;
typedef struct UMockdevIoctlData UMockdevIoctlData;
typedef int (*handle_ioctl)(UMockdevIoctlBase *, UMockdevIoctlClient *, void *);

UMockdevTestbed *umockdev_testbed_new(void);
char *umockdev_testbed_get_root_dir(UMockdevTestbed *);
int umockdev_testbed_add_from_string(UMockdevTestbed *, const char *, void **error);
int umockdev_testbed_attach_ioctl(UMockdevTestbed *, const char *node, UMockdevIoctlBase *, void **error);
int umockdev_testbed_detach_ioctl(UMockdevTestbed *, const char *node, void **error);
UMockdevIoctlBase *umockdev_ioctl_base_new(void);
unsigned long umockdev_ioctl_client_get_request(UMockdevIoctlClient *);
UMockdevIoctlData *umockdev_ioctl_client_get_arg(UMockdevIoctlClient *);
UMockdevIoctlData *umockdev_ioctl_data_resolve(UMockdevIoctlData *, size_t offset, size_t length, void **error);
void umockdev_ioctl_data_update(UMockdevIoctlData *, size_t offset, unsigned char *data, int length);
void umockdev_ioctl_data_unref(UMockdevIoctlData *);
void umockdev_ioctl_client_complete(UMockdevIoctlClient *, long result, int error);
void g_object_unref(void *);
void g_free(void *);
unsigned long g_signal_connect_data(void *, const char *signal, handle_ioctl, void *, void *, int flags);
"""
_DEVICE = (
    "P: /devices/bench\n"
    f"N: {NODE.removeprefix('/dev/')}=00\n"  # with contents, or it would be a pty
    f"E: DEVNAME={NODE}\n"
    "E: SUBSYSTEM=drm\n"
)
WARM_UP = 100


class TrivialTestbed:
    """The node, the handler, and GET_CAP: everything that a trivial ioctl needs."""

    def __init__(self) -> None:
        self._ffi = ffi = FFI()
        ffi.cdef(_DECLARATIONS)
        # Kept loaded to the end of the process: cffi would unload it with its last reference, and the testbed's worker
        # thread, which nothing joins (umockdev.vala, ~Testbed), may still be in its code then.
        lib: Any = ffi.dlopen("libumockdev.so.0", os.RTLD_NOW | os.RTLD_NODELETE)
        self._lib = lib
        self._testbed = lib.umockdev_testbed_new()
        root = lib.umockdev_testbed_get_root_dir(self._testbed)
        self.root = os.fsdecode(ffi.string(root))
        lib.g_free(root)
        self._check(lib.umockdev_testbed_add_from_string(self._testbed, _DEVICE.encode(), ffi.NULL))
        self._base = lib.umockdev_ioctl_base_new()
        self._answer = ffi.new("unsigned char[8]", (1).to_bytes(8, "little"))
        self._handler = ffi.callback("handle_ioctl", self._handle)
        lib.g_signal_connect_data(self._base, b"handle-ioctl", self._handler, ffi.NULL, ffi.NULL, 0)
        self._check(lib.umockdev_testbed_attach_ioctl(self._testbed, NODE.encode(), self._base, ffi.NULL))

    def close(self) -> None:
        """Remove the testbed with all its files, and before that the handler, which another thread calls."""
        self._check(self._lib.umockdev_testbed_detach_ioctl(self._testbed, NODE.encode(), self._ffi.NULL))
        self._lib.g_object_unref(self._testbed)

    def _handle(self, _base: Any, client: Any, _data: Any) -> int:
        lib, null = self._lib, self._ffi.NULL
        if lib.umockdev_ioctl_client_get_request(client) != drm.IOCTL_GET_CAP.request:
            return 0  # umockdev refuses it by itself.
        argument = lib.umockdev_ioctl_data_resolve(lib.umockdev_ioctl_client_get_arg(client), 0, drm.GET_CAP.size, null)
        lib.umockdev_ioctl_data_update(argument, drm.GET_CAP.offset("value"), self._answer, 8)
        lib.umockdev_ioctl_data_unref(argument)
        lib.umockdev_ioctl_client_complete(client, 0, 0)
        return 1

    @staticmethod
    def _check(succeeded: int) -> None:
        if not succeeded:
            raise RuntimeError("umockdev cannot make the node for the comparison")


def _sample(count: int) -> list[float]:
    node = BareNode()
    argument = bytearray(GET_CAP_ARGUMENT)
    samples = [node.timed(drm.IOCTL_GET_CAP.request, argument) for _ in range(WARM_UP + count)]
    if not drm.GET_CAP.as_dict(argument)["value"]:
        raise AssertionError("the handler did not answer")
    return samples[WARM_UP:]


def main() -> int:
    """Print the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--client", action="store_true", help="be the client")
    options = parser.parse_args()
    return _client(options.samples) if options.client else _on_a_testbed(options.samples)


def _client(samples: int) -> int:
    found = None
    try:
        found = _sample(samples)
    except DrmError as error:
        if error.errno != errno.ENOTTY:
            raise
    json.dump(found, sys.stdout)
    return 0


def _on_a_testbed(samples: int) -> int:
    testbed = TrivialTestbed()
    try:
        command = [sys.executable, "-m", "bench.umockdev", "--client", f"--samples={samples}"]
        environment = {**os.environ, "LD_PRELOAD": "libumockdev-preload.so.0", "UMOCKDEV_DIR": testbed.root}
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        testbed.close()


if __name__ == "__main__":
    sys.exit(main())
