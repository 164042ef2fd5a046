# SPDX-License-Identifier: MIT
"""A fleet on one machine: boxes that are sshds of their own, with processes that can be killed as a power switch would.

Everything listens on 127.0.0.1 alone and lies in one directory, which is removed at the end.
"""
