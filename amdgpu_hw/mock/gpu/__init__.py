# SPDX-License-Identifier: MIT
"""The mock GPU: memory, page tables, and rings that execute PM4 and SDMA packets.

It knows nothing of the driver: the mock kernel hands work to `Ring.submit`, writes `PageTable`, and is told of
faults and of packets that no hardware would execute through the callbacks of `MockGpu`.
"""
