# SPDX-License-Identifier: MIT
"""What all pictures have in common: colours, sizes, axes of time, and how they are written.

Colours are Okabe and Ito's, which people with any colour vision tell apart; line styles differ as well, so that a
picture survives black-and-white print.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from amdgpu_hw.measure.model import Conditions, Samples
from amdgpu_hw.measure.statistics import Claim
from amdgpu_hw.measure.wording import conditions_words

__all__ = (
    "A_STYLE",
    "BUDGET",
    "B_STYLE",
    "EXPLICIT",
    "IMPLICIT",
    "INK",
    "VERDICT_COLOURS",
    "LineStyle",
    "Source",
    "draw_ecdf",
    "figure",
    "filled",
    "grid",
    "save_figure",
    "time_axis",
    "titles",
)

INK = "#333333"
BUDGET = "#000000"


Dash = Literal["-"] | tuple[float, Sequence[float]]


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How one arm is drawn, everywhere."""

    colour: str
    dash: Dash
    width: float = 1.8


_DASHED = (0.0, (5.0, 1.5))
IMPLICIT = LineStyle("#D55E00", "-")
EXPLICIT = LineStyle("#0072B2", _DASHED)
A_STYLE = LineStyle("#A6538B", "-")
B_STYLE = LineStyle("#00805C", _DASHED)

VERDICT_COLOURS = {
    Claim.FASTER: "#0072B2",
    Claim.SLOWER: "#D55E00",
    Claim.NO_DIFFERENCE: "#555555",
    Claim.INCONCLUSIVE: "#966A00",
}

_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "amdgpu-hw",  # the same result gives the same file
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
}

_DPI = 150


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """A figure of that many inches, drawn without a display and without touching anybody's pyplot."""
    with mpl.rc_context(_RC):
        drawn = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(drawn)
        yield drawn


def grid(drawn: Figure, rows: int, columns: int, **options: Any) -> list[list[Axes]]:
    """Axes in rows and columns, also where there is only one."""
    axes = drawn.subplots(rows, columns, squeeze=False, **options)
    return [list(row) for row in axes]


def filled(text: str, characters: int) -> str:
    """Text in lines of so many characters, in which a number and its % stay together."""
    return textwrap.fill(text.replace(" %", "\N{NO-BREAK SPACE}%"), characters)


Source = tuple[str, Conditions, int]
"""A name (``A: ``) where there are several, the conditions, and how many samples are drawn."""


def titles(drawn: Figure, finding: str, sources: Sequence[Source], what: str) -> None:
    """The finding as title, what is shown below it; at the foot where and when it was measured, how many samples."""
    width, height = drawn.get_size_inches()
    headline, explained = filled(finding, int(width * 8.7)), filled(what, int(width * 12.5))
    headline_lines, explained_lines = (text.count("\n") + 1 for text in (headline, explained))
    # The empty lines keep the space that the explanation is written into.
    drawn.suptitle(
        headline + "\n" * explained_lines, x=0.08 / width, ha="left", fontsize=13, fontweight="bold", color=INK
    )
    below = 1 - (0.12 + _HEADLINE_INCHES * headline_lines) / height
    drawn.text(0.08 / width, below, explained, ha="left", va="top", fontsize=10, color=INK)
    told = "\n".join(
        filled(f"{name}{conditions_words(each)}; {count} samples, {each.started[:10]}", int(width * 12))
        for name, each, count in sources
    )
    simulated = any(each.simulated for _, each, _ in sources)
    drawn.supxlabel(
        told,
        x=0.08 / width,
        ha="left",
        fontsize=9,
        color="#B00000" if simulated else INK,
        fontweight="bold" if simulated else "normal",
    )


_HEADLINE_INCHES = 0.212


def time_axis(axes: Axes, label: str) -> None:
    """A logarithmic x axis of seconds, labelled ``10 µs``, ``1 ms``; call it when everything is drawn."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = (1.0, 2.0, 5.0) if high / low < 100 else (1.0, 3.0) if high / low < 1000 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=20))
    axes.xaxis.set_major_formatter(EngFormatter(unit="s"))
    axes.xaxis.set_minor_locator(NullLocator())  # dozens per panel that nobody reads, and half of the drawing time
    axes.set_xlabel(label)
    axes.grid(axis="x")


def draw_ecdf(axes: Axes, samples: Samples, style: LineStyle, alpha: float = 1.0) -> None:
    """Share of samples that took at most so long; what was not seen never gets there."""
    seen = np.sort(np.maximum(samples[samples >= 0], 1)) / 1e9
    if not len(seen):
        return
    share = 100 * np.arange(1, len(seen) + 1) / len(samples)
    axes.step(
        np.concatenate([seen[:1], seen]),
        np.concatenate([[0.0], share]),
        where="post",
        color=style.colour,
        linestyle=style.dash,
        linewidth=style.width,
        alpha=alpha,
    )


def save_figure(drawn: Figure, stem: Path, name: str) -> list[Path]:
    """Write ``STEM-NAME.png`` and ``.svg``; returns their paths."""
    written = []
    # The layout is most of the work, and the same for both.
    drawn.draw_without_rendering()
    drawn.set_layout_engine("none")
    for suffix in ("png", "svg"):
        path = stem.with_name(f"{stem.name}-{name}.{suffix}")
        path.parent.mkdir(parents=True, exist_ok=True)
        # A date in the file would make each drawing of the same data another file.
        drawn.savefig(path, dpi=_DPI, facecolor="white", metadata={"Date": None} if suffix == "svg" else None)
        written.append(path)
    return written
