# SPDX-License-Identifier: MIT
"""What each kernel is known to do wrong, and what cannot be tested on it: data that is installed with the package.

Installed, this folder is `amdgpu_hw.expectations`. The form of the files is in docs/expectations.md.
"""
