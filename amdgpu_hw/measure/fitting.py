# SPDX-License-Identifier: MIT
"""What is shown on a terminal in the form that fits: figures that wrap or are cut off are none."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement

__all__ = ("FirstThatFits",)

_UNLIMITED = 10_000


class FirstThatFits:
    """Several forms of the same, the widest first; the last is shown where none fits."""

    def __init__(self, *forms: RenderableType) -> None:
        self._forms = forms

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        unlimited = options.update(max_width=_UNLIMITED)
        for form in self._forms:
            if Measurement.get(console, unlimited, form).maximum <= options.max_width:
                yield form
                return
        yield self._forms[-1]
