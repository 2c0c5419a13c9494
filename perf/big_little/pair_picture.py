"""Draws quality against the big model's passes and against speed: a line over the fallback thresholds."""

import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from perf.bar_table import Sample, ratios, values
from perf.big_little.ways import BIG_LITTLE
from perf.report.document import Picture
from perf.report.picture_look import MARKERS, colours, legend_below, picture

CAPTION = (
    "Right answers against the big model's passes a token, and against speed. Each line has a rollback"
    " threshold; its points are fallback thresholds."
)
_BIG = "big"


class Point(NamedTuple):
    """A way at the first round trip: medians over the rounds."""

    line: str
    passes: float
    speed: float
    right: float


def points(samples: Sequence[Sample]) -> list[Point]:
    """Every way that was measured. Ways of one rollback threshold are a line."""
    keys = [each.key.removesuffix(".passes") for each in samples if each.key.endswith(".passes")]
    rtt = next((key.rpartition(".")[2] for key in keys), "")
    found = dict.fromkeys(key for key in keys if key.rpartition(".")[2] == rtt)
    return [point for key in found for point in _point(samples, key, f"{_BIG}.{rtt}")]


def _point(samples: Sequence[Sample], key: str, big: str) -> Iterator[Point]:
    name = key.rpartition(".")[0]
    speeds = ratios(samples, f"{key}.tokens_s", f"{big}.tokens_s")
    right, passes = (list(values(samples, f"{key}.{what}").values()) for what in ("right", "passes"))
    if speeds and right:
        kind, _, rollback = name.rpartition("-")
        line = f"rollback {rollback}" if kind.startswith(BIG_LITTLE) else name
        known = 1.0 if name == _BIG else statistics.median(passes)
        yield Point(line, known, statistics.median(speeds), statistics.median(right))


def draw(samples: Sequence[Sample]) -> Picture:
    """Two panels. Ways without a line are single marks."""
    found = points(samples)
    shown = colours(point.line for point in found)

    def onto(drawing: Drawing) -> None:
        left, right = drawing.subplots(1, 2, sharey=True)
        for number, (line, colour) in enumerate(shown.items()):
            some = [point for point in found if point.line == line]
            mark = MARKERS[number % len(MARKERS)]
            _plot(left, [(each.passes, each.right) for each in some], line, colour, mark)
            _plot(right, [(each.speed, each.right) for each in some], line, colour, mark)
        left.set_xlabel("big-model passes a token")
        left.set_ylabel("right answers, share")
        right.set_xlabel("speed ÷ big model alone")
        legend_below(drawing)

    return picture("big-little", CAPTION, CAPTION, 3.4, onto)


def _plot(axes: Axes, line: Sequence[tuple[float, float]], name: str, colour: str, mark: str) -> None:
    across, up = zip(*sorted(line), strict=True)
    axes.plot(across, up, marker=mark, color=colour, label=name)
