# SPDX-License-Identifier: MIT
"""System calls on their way between the clients of a machine and its kernel; wire.h says how they travel."""
