# SPDX-License-Identifier: MIT
"""What a mock machine shows beside its device nodes: /sys, the udev database, uevents, tracefs."""
