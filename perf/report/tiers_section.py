"""Where a node stands between a device and a cloud, and how many users share it well."""

from collections.abc import Iterator, Sequence
from functools import partial

from matplotlib.figure import Figure as Drawing

from perf.report.document import Block, Picture, Section, Table, Text
from perf.report.figure_words import NONE, number
from perf.report.gather_runs import Run
from perf.report.picture_look import MARKERS, colours, from_zero, legend_below, picture
from perf.report.tier_curves import TOO_MUCH, Curve, Step, curves

ANSWER_TOKENS = 100
_COLUMNS = ("tier", "model", "users at once", "tokens/s a user", "tokens/s together", "100 tokens take")
_TIERS = (
    ("device: a Raspberry Pi 5", "0.1 – 4 GB of weights", "1", "5 – 12", "5 – 12", "8.3 – 20 s"),
    ("edge server: one GPU", NONE, "tens", "about 50", NONE, "2 s"),
    ("cloud: an H100", "16 GB of weights", "200", "32", "6,372", "3.1 s"),
)
"""By their sources: arXiv 2411.17712 for the device, a maker's note for the others."""


def section(runs: Sequence[Run]) -> Section | None:
    """From runs of bench engine and bench load; None where none has two numbers of users."""
    found = curves(runs)
    if not found:
        return None
    return Section("Tiers, and users who share a node", [_introduction(), _tiers(found), *_sharing(found)])


def _introduction() -> Text:
    return Text(
        "All users of a node together get batch × tokens/s a user. Another user makes steps slower for the"
        f" others. It costs them too much where they lose more than {100 * TOO_MUCH:g} % of what it gets."
        " Above 100 %, all together get less than before."
    )


def _tiers(found: Sequence[Curve]) -> Table:
    rows = [list(tier) for tier in _TIERS]
    for curve in found:
        ends = dict.fromkeys((curve.steps[0], curve.knee or curve.steps[-1]))
        rows += [_node(curve, step) for step in ends]
    caption = "Device, edge server and cloud by their sources, and this node"
    return Table(caption, list(_COLUMNS), rows, num_words=2)


def _node(curve: Curve, step: Step) -> list[str]:
    rates = [number(step.rate), number(step.together), f"{number(ANSWER_TOKENS / step.rate)} s"]
    return [f"this node: {curve.label}", curve.model, str(step.users), *rates]


def _sharing(found: Sequence[Curve]) -> Iterator[Block]:
    for curve in found:
        rows = [_step(step, cost) for step, cost in zip(curve.steps, [None, *curve.costs], strict=True)]
        columns = ["users", "tokens/s a user", "together", "cost of a user to the others"]
        yield Table(f"{curve.label}: by number of users", columns, rows)
        yield Text(_verdict(curve))
    yield _picture(found)


def _step(step: Step, cost: float | None) -> list[str]:
    costs = NONE if cost is None else f"{cost:.0%}"
    return [str(step.users), number(step.rate), number(step.together), costs]


def _verdict(curve: Curve) -> str:
    if curve.knee is None:
        return (
            f"{curve.label}: up to {curve.steps[-1].users} users, no further user costs the others too much."
        )
    users = "user" if curve.knee.users == 1 else "users"
    return f"{curve.label}: with {curve.knee.users} {users}, the next one costs the others too much."


def _picture(found: Sequence[Curve]) -> Picture:
    caption = (
        "Throughput is batch × tokens/s a user. A ring marks the number of users whose next one costs the"
        " others too much."
    )
    return picture(
        "tiers-users", caption, "Tokens a second by number of users", 3.4, partial(_draw, found=found)
    )


def _draw(drawing: Drawing, found: Sequence[Curve]) -> None:
    hues = colours(curve.label for curve in found)
    left, right = drawing.subplots(1, 2)
    for place, (axes, label) in enumerate(((left, "tokens/s a user"), (right, "tokens/s together"))):
        for index, curve in enumerate(found):
            points = [(step.users, (step.rate, step.together)[place]) for step in curve.steps]
            marker = MARKERS[index % len(MARKERS)]
            axes.plot(*zip(*points, strict=True), marker=marker, color=hues[curve.label], label=curve.label)
            if curve.knee is not None:
                at = (curve.knee.rate, curve.knee.together)[place]
                ring = {"markersize": 11, "markerfacecolor": "none", "linestyle": "none"}
                axes.plot([curve.knee.users], [at], marker="o", color=hues[curve.label], **ring)
        axes.set_xticks(sorted({step.users for curve in found for step in curve.steps}))
        axes.set_xlabel("users")
        axes.set_ylabel(label)
        from_zero(axes)
    legend_below(drawing)
