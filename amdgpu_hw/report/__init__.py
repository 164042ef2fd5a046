# SPDX-License-Identifier: MIT
"""Reports: results in the forms that people send, machines read and browsers show. They measure and judge nothing."""
