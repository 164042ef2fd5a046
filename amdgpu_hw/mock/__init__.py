# SPDX-License-Identifier: MIT
"""The mock machine: umockdev for /sys, a preload library for the device nodes, models of the kernel and its GPUs.

`machine.Machine` builds one and runs programs on it.
"""
