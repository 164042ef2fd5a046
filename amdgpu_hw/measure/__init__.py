# SPDX-License-Identifier: MIT
"""Measuring what an unmap costs: samples taken in C, their files, statistics, tables and plots.

Needs numpy, scipy and matplotlib (the extra ``measure``); nothing outside this package imports them.
"""
