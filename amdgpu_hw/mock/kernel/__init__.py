# SPDX-License-Identifier: MIT
"""The mock kernel, in the folders and files of the kernel's drivers/dma-buf and drivers/gpu/drm.

A function with a prefix of the kernel's models the kernel's function of that name, and stands in our file, or package,
of its file's name. Its docstring says what it leaves out. What has no such prefix is ours. Taking and giving back locks
that nothing can contend for in one thread, and memory barriers, is left out everywhere and not said each time.

What is here and not in a folder is what the rest of the kernel gives to drivers; only `audit` knows them.
"""
