# SPDX-License-Identifier: MIT
"""The suite over many boxes: every GPU on every kernel, as one matrix (docs/fleet.md).

A *plan* names *places* (boxes, by ssh or by labgrid's tags) and kernels. An *order* is one validation: a GPU, a kernel,
a repetition. Each place has a process of its own here, which brings one order after the other to its end; on the box
itself only `agent` runs, and what it starts.
"""
