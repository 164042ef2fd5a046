# SPDX-License-Identifier: MIT
"""The model of the hardware: memory, page tables, rings that execute PM4 and SDMA packets, and what each GPU is.

It knows neither a driver nor how anybody reaches it. Whoever owns a `GpuModel` hands work to `Ring.submit`, writes
`PageTable`, and is told of faults, and of packets that no hardware would execute, through its callbacks.
"""
