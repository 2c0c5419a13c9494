"""Draws the cost–quality curves, and writes them as CSV."""

import csv
import io
from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure as Drawing

from perf.report.document import Picture
from perf.report.picture_look import colours, legend_below, picture
from perf.routing.cost_quality import curve
from perf.routing.routing_figures import RANDOM, Signal

CAPTION = "Accuracy against the share of questions that the big model answers, held-out questions."


def points(signal: Signal) -> Iterator[tuple[float, float]]:
    """(share sent, accuracy)."""
    count = len(signal.values)
    right = sum(item.little.is_right for item in signal.items)
    for sent, gained in enumerate(curve(signal.values, signal.gains)):
        yield sent / count, (right + gained) / count


def draw(signals: Sequence[Signal]) -> Picture:
    """One line a signal; a random order is a straight line."""
    shown = colours(signal.name for signal in signals if signal.name != RANDOM)

    def onto(drawing: Drawing) -> None:
        axes = drawing.subplots()
        for signal in signals:
            if signal.name == RANDOM:
                first, *_, last = points(signal)
                axes.plot((0, 1), (first[1], last[1]), "--", color="#888888", label=RANDOM)
            else:
                axes.plot(*zip(*points(signal), strict=True), color=shown[signal.name], label=signal.name)
        axes.set_xlabel("share of questions sent to the big model")
        axes.set_ylabel("accuracy")
        legend_below(drawing)

    return picture("routing-curves", CAPTION, CAPTION, 4.2, onto)


def as_csv(signals: Sequence[Signal]) -> str:
    """A line a point: signal, share sent, accuracy."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("signal", "share_sent", "accuracy"))
    for signal in signals:
        writer.writerows((signal.name, f"{share:.4f}", f"{right:.4f}") for share, right in points(signal))
    return text.getvalue()
