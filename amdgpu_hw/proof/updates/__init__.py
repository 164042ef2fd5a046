# SPDX-License-Identifier: MIT
"""Updates under work in flight, in all their forms: cases by covering arrays, and the stage that plays them."""
