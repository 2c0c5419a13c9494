"""Load: latency percentiles, throughput and goodput against concurrency or rate of arrivals."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from perf.record.result_schema import Figure
from perf.report import figure_words
from perf.report.charts import axis_label
from perf.report.document import Block, Picture, Section, Table, Text
from perf.report.gather_runs import Run
from perf.report.picture_look import MARKERS, colours, from_zero, legend_below, picture

_KINDS = {"concurrency": "requests at once", "rate": "offered rate, requests/s"}
_COLUMNS = (
    "ttft.p50",
    "ttft.p95",
    "ttft.p99",
    "itl.p50",
    "itl.p95",
    "tpot.p50",
    "e2e.p95",
    "output_tokens_per_second",
    "goodput",
    "attainment",
    "errors",
    "client_cpu_share",
)
_PANELS = (("ttft.p50", "ttft.p95"), ("itl.p50", "itl.p95"), ("output_tokens_per_second",), ("goodput",))
_STYLES = ("-", "--")
_Points = list[tuple[float, Figure]]


def section(runs: Sequence[Run]) -> Section:
    """Tables and curves of all runs of bench load; `runs` has at least one."""
    return Section(
        "Load",
        [
            Text(
                "Latency counts from the scheduled arrival, so waiting that the load itself causes is in it. "
                "ITL pools the gaps of all requests; TPOT is a mean for each request. Goodput counts the "
                "requests that kept all limits."
            ),
            *map(_limits, runs),
            *map(_bottleneck, (run for run in runs if run.groups("client_bottleneck"))),
            *(_table(run) for run in runs),
            *(drawn for kind in _KINDS if _has_curve(kind, runs) for drawn in _pictures(kind, runs)),
        ],
    )


def _title(run: Run) -> str:
    """Tells runs of one node apart: what their steps go by, for instance concurrency or rate."""
    kinds = dict.fromkeys(group.partition("=")[0] for group in run.groups(*_COLUMNS) if "=" in group)
    return f"{run.label}, by {' and '.join(kinds)}" if kinds else run.label


def _limits(run: Run) -> Text:
    highest = run.figure("highest_rate", "")
    told = (
        f" Highest rate that keeps the limits: {figure_words.value(highest)} ({highest.note})."
        if highest
        else ""
    )
    return Text(f"{_title(run)}: limits {_named(run.result.options)}.{told}")


def _named(options: Mapping[str, Any]) -> str:
    """`limit_ttft_s` 0.5 is TTFT 0.5 s."""
    limits = {name[6:-2]: value for name, value in options.items() if re.fullmatch(r"limit_\w+_s", name)}
    told = [f"{figure_words.title(name)} {value:g} s" for name, value in limits.items() if value is not None]
    return ", ".join(told) or "none"


def _bottleneck(run: Run) -> Text:
    found = [
        f"{group} ({figure.note})"
        for group in run.groups("client_bottleneck")
        if (figure := run.figure("client_bottleneck", group)) and figure.value
    ]
    if not found:
        return Text(f"{_title(run)}: the client was the bottleneck in no step.")
    steps = "; ".join(found)
    return Text(
        f"{_title(run)}: the client itself was the bottleneck, so the server can do better: {steps}", True
    )


def _table(run: Run) -> Table:
    measured = [name for name in _COLUMNS if run.groups(name)]
    rows = [
        [group, *(figure_words.value(run.figure(name, group)) for name in measured)]
        for group in run.groups(*measured)
    ]
    return Table(_title(run), ["step", *map(figure_words.title, measured)], rows)


# ---- curves


def level(group: str, kind: str) -> float | None:
    """The number in `concurrency=4`; None for a step of another kind, a class or a trace."""
    name, _, value = group.partition("=")
    try:
        return float(value) if name == kind else None
    except ValueError:
        return None


def _points(run: Run, name: str, kind: str) -> _Points:
    found = [(level(group, kind), run.figure(name, group)) for group in run.groups(name)]
    known = [(place, figure) for place, figure in found if place is not None and figure is not None]
    return sorted(known, key=lambda point: point[0])


def _has_curve(kind: str, runs: Sequence[Run]) -> bool:
    """A single step is told by the table alone."""
    return any(len(_points(run, name, kind)) > 1 for run in runs for panel in _PANELS for name in panel)


def _pictures(kind: str, runs: Sequence[Run]) -> list[Block]:
    having = [run for run in runs if _has_curve(kind, [run])]
    return [_against_level(kind, having), _latency_of_throughput(kind, having)]


def _against_level(kind: str, runs: Sequence[Run]) -> Picture:
    caption = (
        f"Against {_KINDS[kind]}: time to first token and gaps between tokens (solid p50, dashed p95), "
        "output of all requests together, and requests a second that kept the limits."
    )
    alt = f"TTFT, ITL, throughput and goodput against {kind}"
    return picture(f"load-{kind}", caption, alt, 5.4, partial(_draw_levels, kind=kind, runs=runs))


def _draw_levels(drawing: Drawing, kind: str, runs: Sequence[Run]) -> None:
    hues = colours(run.label for run in runs)
    grid = drawing.subplots(2, 2, sharex=True)
    for axes, names in zip(grid.flat, _PANELS, strict=True):
        _panel(axes, names, kind, runs, hues)
    for axes in grid[1]:
        axes.set_xlabel(_KINDS[kind])
    if kind == "rate":
        _offered(grid[1][1], runs)
    legend_below(drawing)


def _panel(axes: Axes, names: Sequence[str], kind: str, runs: Sequence[Run], hues: Mapping[str, str]) -> None:
    # A node may have several runs of one kind: a line each.
    shown = [(run.label, name, _points(run, name, kind)) for run in runs for name in names]
    factor, unit = figure_words.scale([figure for *_, points in shown for _, figure in points])
    for label, name, points in shown:
        style = {**_look(label, hues), "linestyle": _STYLES[names.index(name)]}
        if names.index(name):
            style["label"] = "_"  # one entry of the legend a run
        _curve(axes, points, factor, style)
    stem = names[0].removesuffix(".p50")
    axes.set_ylabel(axis_label(stem, unit))
    axes.set_xlim(left=0)
    if kind == "concurrency":
        axes.set_xticks(sorted({place for *_, points in shown for place, _ in points}))
    from_zero(axes)


def _look(label: str, hues: Mapping[str, str]) -> dict[str, Any]:
    mark = MARKERS[list(hues).index(label) % len(MARKERS)]
    return {"color": hues[label], "marker": mark, "label": label}


def _curve(axes: Axes, points: _Points, factor: float, style: dict[str, Any]) -> None:
    heights = [(figure.value or 0.0) * factor for _, figure in points]
    axes.plot([place for place, _ in points], heights, **style)
    for place, figure in points:
        if figure.low is not None and figure.high is not None:
            ends = [figure.low * factor, figure.high * factor]
            axes.plot([place, place], ends, color=style["color"], linewidth=1)


def _offered(axes: Axes, runs: Sequence[Run]) -> None:
    """Goodput cannot exceed what is offered."""
    places = [place for run in runs for place, _ in _points(run, "goodput", "rate")]
    if places:
        line = [0.0, max(places)]
        axes.plot(line, line, color="#777777", linestyle=":", linewidth=1, label="offered")


def _latency_of_throughput(kind: str, runs: Sequence[Run]) -> Picture:
    caption = (
        "Throughput and latency together: each point is a step, its number the "
        f"{'requests at once' if kind == 'concurrency' else 'rate'}. Right and low is better."
    )
    draw = partial(_draw_trade, kind=kind, runs=runs)
    return picture(f"load-{kind}-trade", caption, "TTFT and ITL p95 against output tokens/s", 3.1, draw)


def _draw_trade(drawing: Drawing, kind: str, runs: Sequence[Run]) -> None:
    hues = colours(run.label for run in runs)
    for axes, name in zip(drawing.subplots(1, 2), ("ttft.p95", "itl.p95"), strict=True):
        factor, unit = figure_words.scale([figure for run in runs for _, figure in _points(run, name, kind)])
        for run in runs:
            _curve_of_steps(axes, _steps(run, kind, name), factor, _look(run.label, hues))
        axes.set_xlabel(axis_label("output_tokens_per_second", ""))
        axes.set_ylabel(axis_label(name, unit))
        from_zero(axes)
        axes.set_xlim(0, axes.dataLim.x1 * 1.1)
    legend_below(drawing)


def _steps(run: Run, kind: str, name: str) -> list[tuple[float, float, float]]:
    """Level, output rate and latency of each step that has both."""
    outputs = dict(_points(run, "output_tokens_per_second", kind))
    return [
        (place, outputs[place].value or 0.0, late.value or 0.0)
        for place, late in _points(run, name, kind)
        if place in outputs
    ]


def _curve_of_steps(
    axes: Axes, steps: Sequence[tuple[float, float, float]], factor: float, style: dict[str, Any]
) -> None:
    axes.plot([rate for _, rate, _ in steps], [late * factor for _, _, late in steps], **style)
    for place, rate, late in steps:
        where = (rate, late * factor)
        axes.annotate(f"{place:g}", where, xytext=(5, -9), textcoords="offset points", fontsize=8)
