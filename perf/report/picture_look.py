"""One look for all pictures: dark on white, colours that colour-blind readers tell apart, SVG."""

import io
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from perf.report.document import Picture

# Okabe and Ito's palette, without its yellow: too light for a line on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDTH = 7.6  # inches; shown about as wide as a page of text, where 9 points are read well
_LEGEND_LETTERS = 105  # that a line of the legend has room for
_TEXT = "#1a1a1a"
_RC: Any = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.labelcolor": _TEXT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "text.color": _TEXT,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "text.parse_math": False,  # names of models and nodes are no formulas
    "svg.hashsalt": "genai-xapp",  # the same figures give the same file
}


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name, in order; after seven they come again."""
    return {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(dict.fromkeys(names))}


def picture(name: str, caption: str, alt: str, height: float, draw: Callable[[Drawing], None]) -> Picture:
    """What `draw` puts on a drawing of WIDTH × height inches, as SVG. `name` is made fit for a file."""
    with mpl.rc_context(_RC):
        drawing = Drawing(figsize=(WIDTH, height), layout="constrained")
        draw(drawing)
        file = io.BytesIO()
        drawing.savefig(file, format="svg", metadata={"Date": None})
    return Picture(re.sub(r"[^A-Za-z0-9_-]+", "-", name), caption, alt, file.getvalue())


def from_zero(axes: Axes) -> None:
    """The vertical axis starts at 0 and leaves room above the highest mark."""
    highest = axes.dataLim.y1
    axes.set_ylim(0, highest * 1.1 if math.isfinite(highest) and highest > 0 else 1)


def legend_below(drawing: Drawing) -> None:
    """One legend for all panels, under them, each label once; none for a single entry."""
    entries = {
        label: handle
        for axes in drawing.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if len(entries) > 1:
        columns = max(1, min(len(entries), _LEGEND_LETTERS // (max(map(len, entries)) + 8)))
        drawing.legend(entries.values(), entries, loc="outside lower center", ncols=columns)
