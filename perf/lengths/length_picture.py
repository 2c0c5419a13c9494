"""Draws the predictors: how well each orders the answers, and what an order by it is worth."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from perf.lengths.length_bars import COMPLETION, CORRELATION, LONG, MAX_MEAN, MIN_AGREEMENT
from perf.record.result_schema import Figure
from perf.report.charts import panel_height
from perf.report.document import Picture
from perf.report.picture_look import PALETTE, legend_below, picture

CAPTION = (
    "Predictions of the length of an answer. Left: rank correlation with the lengths. Right: time to"
    " completion with the shortest first ÷ first come, for bursts on virtual time."
)
_BLUE, _ORANGE, *_ = PALETTE


def draw(figures: Sequence[Figure]) -> Picture:
    """Two panels over the same predictors, in the order of the figures. Dashed lines are the bars."""
    found = {each.name: each.value for each in figures if each.value is not None}
    names = [name.removesuffix(CORRELATION) for name in found if name.endswith(CORRELATION)]

    def column(ending: str) -> list[float]:
        return [found[name + ending] for name in names]

    def onto(drawing: Drawing) -> None:
        left, right = drawing.subplots(1, 2, sharey=True)
        _dots(left, column(CORRELATION), _BLUE, "o", "")
        left.axvline(MIN_AGREEMENT, color=_BLUE, linestyle="--", linewidth=1)
        left.set_xlabel("rank correlation τ")
        _dots(right, column(COMPLETION), _BLUE, "o", "mean completion")
        _dots(right, column(LONG), _ORANGE, "s", "p99 of long answers")
        right.axvline(MAX_MEAN, color=_BLUE, linestyle="--", linewidth=1)
        right.set_xlabel("shortest first ÷ first come")
        left.set_yticks(range(len(names)), names)
        left.set_ylim(max(1, len(names)) - 0.5, -0.5)
        legend_below(drawing)

    return picture("lengths", CAPTION, CAPTION, panel_height(len(names)) + 0.3, onto)


def _dots(axes: Axes, values: Sequence[float], colour: str, mark: str, label: str) -> None:
    axes.plot(values, range(len(values)), linestyle="none", marker=mark, color=colour, label=label)
