# SPDX-License-Identifier: MIT
"""What is given on a command line, as frozen dataclasses: each option is declared once, for every place that takes it.

Nothing here is slow to import: the pytest plugin is loaded into every run of pytest, whatever that is about.
"""
