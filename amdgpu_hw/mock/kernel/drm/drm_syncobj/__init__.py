# SPDX-License-Identifier: MIT
"""drm_syncobj.c: handles, points and files of syncobjs (`syncobj`), and waiting for them (`wait`)."""
