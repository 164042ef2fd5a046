# SPDX-License-Identifier: MIT
"""Mappings keep the bits of the request, DELAY_UPDATE and the flag, among their flags (F11)."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("B40",), variant={"stores_request_bits": True})
