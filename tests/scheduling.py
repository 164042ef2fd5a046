# SPDX-License-Identifier: MIT
"""How pytest-xdist hands tests out to its processes."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

from tests import BOOTING


def scope_of(nodeid: str) -> str:
    """What a test is handed out together with: the other tests of its module, or all that boot guests."""
    return BOOTING if nodeid.startswith(BOOTING) else nodeid.partition("::")[0]


class ModuleScheduling(LoadScopeScheduling):
    """Hands out whole modules, whose fixtures are made once that way, and all that boot guests together."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
