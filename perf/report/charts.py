"""Bars and dots from figures, in the units that figure_words.py chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from perf.record.result_schema import Figure
from perf.report import figure_words
from perf.report.picture_look import MARKERS

_ROOM = 0.8  # of a category's height that its bars take
_INK = "#1a1a1a"


@dataclass(frozen=True, slots=True)
class Mark:
    """A figure and its place: marks of one category stand together, one colour a series."""

    category: str
    series: str
    figure: Figure


def panel_height(num_categories: int, num_series: int = 1) -> float:
    """Inches that a panel of bars or dots takes, its axis included."""
    return 0.75 + num_categories * max(0.3, 0.2 * num_series)


def bars(axes: Axes, marks: Sequence[Mark], colours: Mapping[str, str], categories: Sequence[str]) -> None:
    """Horizontal, so that long names are read; whiskers are the 95 % interval, the value stands beside.

    All marks are figures of one name. Without any the panel says so.
    """
    if not marks:
        _nothing(axes)
        return
    factor, unit = figure_words.scale([mark.figure for mark in marks])
    reach = max(_end(mark.figure) for mark in marks) * factor or 1.0
    for mark, place, room in _places(marks, colours, categories):
        height = min(room, 0.6) * 0.92
        axes.barh(place, _drawn(mark, factor), height, color=colours[mark.series], label=mark.series)
        _whisker(axes, mark.figure, place, factor, _INK)
        end = max(0.0, _end(mark.figure) * factor) + reach * 0.015
        axes.text(end, place, figure_words.number(_drawn(mark, factor)), va="center", fontsize=8)
    _categories(axes, categories)
    axes.set_xlim(0, reach * 1.2)
    _label(axes, marks[0].figure.name, unit)


def dots(axes: Axes, marks: Sequence[Mark], colours: Mapping[str, str], categories: Sequence[str]) -> None:
    """The same with a dot a figure: for values whose distance from zero is not the point."""
    if not marks:
        _nothing(axes)
        return
    factor, unit = figure_words.scale([mark.figure for mark in marks])
    shapes = {series: MARKERS[number % len(MARKERS)] for number, series in enumerate(colours)}
    for mark, place, _ in _places(marks, colours, categories):
        _whisker(axes, mark.figure, place, factor, colours[mark.series])
        style: dict[str, Any] = {
            "color": colours[mark.series],
            "marker": shapes[mark.series],
            "linestyle": "none",
        }
        axes.plot([_drawn(mark, factor)], [place], label=mark.series, **style)
    _categories(axes, categories)
    _label(axes, marks[0].figure.name, unit)


def _nothing(axes: Axes) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes)


def _places(
    marks: Sequence[Mark], colours: Mapping[str, str], categories: Sequence[str]
) -> list[tuple[Mark, float, float]]:
    """Each mark with the middle of its place and the room it has."""
    present = [series for series in colours if any(mark.series == series for mark in marks)]
    room = _ROOM / len(present)
    return [
        (mark, categories.index(mark.category) - _ROOM / 2 + room * (present.index(mark.series) + 0.5), room)
        for mark in marks
    ]


def _end(figure: Figure) -> float:
    return max(figure.value or 0.0, figure.high or 0.0)


def _drawn(mark: Mark, factor: float) -> float:
    assert mark.figure.value is not None
    return mark.figure.value * factor


def _whisker(axes: Axes, figure: Figure, place: float, factor: float, colour: str) -> None:
    if figure.low is not None and figure.high is not None:
        ends = [figure.low * factor, figure.high * factor]
        axes.plot(ends, [place, place], color=colour, linewidth=1.2)


def _categories(axes: Axes, categories: Sequence[str]) -> None:
    axes.set_yticks(range(len(categories)), list(categories))
    axes.set_ylim(len(categories) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _label(axes: Axes, name: str, unit: str) -> None:
    axes.set_xlabel(axis_label(name, unit))


def axis_label(name: str, unit: str) -> str:
    """The figure's title with the unit that is drawn, where the title has none."""
    text = figure_words.title(name)
    return text if not unit or "/s" in text else f"{text}, {unit}"
