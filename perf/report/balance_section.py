"""What a model is worth against what it costs: accuracy, speed and memory in one picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure as Drawing

from perf.record.result_schema import Figure
from perf.report.document import Picture, Section, Text
from perf.report.gather_runs import Run, data_of
from perf.report.picture_look import colours, legend_below, picture

_SMALLEST, _LARGEST = 60.0, 900.0  # areas of the marks, square points
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Point:
    """One model on one node: tokens a second, share of right answers, peak PSS."""

    model: str
    node: str
    data: str
    speed: float
    accuracy: float
    pss_bytes: float


def points(speeds: Sequence[Run], accuracies: Sequence[Run]) -> list[Point]:
    """The models of which one node measured both."""
    return [
        Point(model, run.result.node, data_of(asked), *values)
        for run in speeds
        for asked in accuracies
        if asked.result.node == run.result.node
        for model in run.groups("decode_tokens_per_second")
        if (values := _values(run, asked, model)) is not None
    ]


def _values(run: Run, asked: Run, model: str) -> tuple[float, float, float] | None:
    figures = (
        run.figure("decode_tokens_per_second", model),
        asked.figure("accuracy", model),
        run.figure("peak_pss_bytes", model),
    )
    speed, accuracy, memory = (each.value if isinstance(each, Figure) else None for each in figures)
    return None if speed is None or accuracy is None or memory is None else (speed, accuracy, memory)


def section(speeds: Sequence[Run], accuracies: Sequence[Run]) -> Section | None:
    """A picture for each set of questions; None where no model has both speed and accuracy."""
    found = points(speeds, accuracies)
    if not found:
        return None
    text = Text("Each mark is a model on a node; its area is the peak PSS of the server and its worker.")
    pictures = [_picture(data, found) for data in dict.fromkeys(point.data for point in found)]
    return Section("Accuracy, speed and memory", [text, *pictures])


def _picture(data: str, found: Sequence[Point]) -> Picture:
    own = [point for point in found if point.data == data]
    most = max(point.pss_bytes for point in found)
    hues = colours(point.node for point in found)

    def draw(drawing: Drawing) -> None:
        axes = drawing.subplots()
        for point in own:
            area = max(_SMALLEST, _LARGEST * point.pss_bytes / most)
            place = (point.speed, 100 * point.accuracy)
            axes.scatter(*place, s=area, color=hues[point.node], alpha=0.7, label=point.node)
            name = f"{point.model}, {point.pss_bytes / _GIB:.2g} GiB"
            axes.annotate(name, place, xytext=(0, 16), textcoords="offset points", ha="center", fontsize=8)
        axes.set(xlabel="decode, tokens/s", ylabel=f"accuracy on {data}, %", ylim=(0, 100))
        axes.set_xlim(0, 1.3 * max(point.speed for point in own))
        legend_below(drawing)

    caption = f"Accuracy on {data} against decode speed; area: peak PSS. Up and to the right is better."
    return picture(f"balance-{data}", caption, caption, 3.4, draw)
