"""Ours against its peers: ratios with intervals, the figures themselves, gaps while a prompt arrives."""

import re
from collections.abc import Iterator, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from perf.compare.compare_samples import MixedSample
from perf.record.result_schema import Figure
from perf.report import figure_words
from perf.report.charts import Mark, bars, dots, panel_height
from perf.report.document import Block, Picture, Section, Table, Text
from perf.report.gather_runs import Run
from perf.report.picture_look import colours, legend_below, picture

_MORE_IS_BETTER = ("decode_ratio", "output_ratio")
_LESS_IS_BETTER = (
    "itl_p50_ratio",
    "ttft_ratio",
    "end_to_end_ratio",
    "worst_gap_ratio",
    "server_cpu_ratio",
    "pss_ratio",
    "wire_bytes_ratio",
)
RATIOS = _MORE_IS_BETTER + _LESS_IS_BETTER
_SPEED = (
    "decode_tokens_per_second",
    "output_tokens_per_second",
    "itl_p50",
    "ttft",
    "cold_ttft",
    "alone_ttft",
    "ttft_to_alone",
    "end_to_end",
    "worst_gap_seconds",
    "decode_step_seconds",
    "gap_bound_ratio",
)
_COSTS = (
    "server_cpu_per_token",
    "front_cpu_per_token",
    "front_cpu_over_echo",
    "client_cpu_per_token",
    "client_cpu_share",
    "pss_bytes",
    "wire_bytes_per_token",
)
_DRAWN = ("decode_tokens_per_second", "ttft", "worst_gap_seconds", "pss_bytes")
_INK = "#1a1a1a"


def section(runs: Sequence[Run]) -> Section:
    """All runs of bench compare; `runs` has at least one."""
    return Section(
        "Compared with peers",
        [
            Text(
                "The same load on each server, in turns within one run. A ratio is ours ÷ the peer's of the "
                "same round, with a 95 % interval over the rounds. Of rates more than 1 is better; of times, "
                "memory and bytes less than 1."
            ),
            *(block for number, run in enumerate(runs) for block in _of(run, f"compare-{number + 1}")),
        ],
    )


def _of(run: Run, stem: str) -> Iterator[Block]:
    if run.groups(*RATIOS):
        yield _table(f"{run.label}: ratios, ours ÷ the peer's", run, RATIOS, figure_words.with_interval)
        yield _ratio_picture(run, stem)
    for what, names in (("speed", _SPEED), ("costs", _COSTS)):
        if run.groups(*names):
            yield _table(f"{run.label}: each server's own {what}", run, names, figure_words.value)
    if run.groups(*_DRAWN):
        yield _value_picture(run, stem)
    if mixed := run.samples(MixedSample):
        yield _timeline(run, mixed, stem)


def _table(caption: str, run: Run, names: Sequence[str], shown: figure_words.Shown) -> Table:
    measured = [name for name in names if run.groups(name)]
    rows = [
        [_load(group), _target(group), *(shown(run.figure(name, group)) for name in measured)]
        for group in sorted(run.groups(*measured), key=_order)
    ]
    return Table(caption, ["load", "server", *map(figure_words.title, measured)], rows, num_words=2)


def _target(group: str) -> str:
    return group.rpartition("/")[0]


def _load(group: str) -> str:
    """`decode-4` is told as people say it."""
    load = group.rpartition("/")[2]
    streams = re.fullmatch(r"decode-(\d+)", load)
    if solo := re.fullmatch(r"solo-(\d+)", load):
        return f"one caller, {solo[1]} tokens"
    if burst := re.fullmatch(r"burst-(\d+)", load):
        return f"burst of {burst[1]}"
    if streams is None:
        return load.replace("-", " ")
    return f"{streams[1]} stream{'s' if streams[1] != '1' else ''}"


def _order(group: str) -> tuple[int, str]:
    """Loads by number of streams, then the others; within a load in the file's order."""
    streams = re.search(r"/decode-(\d+)$", group)
    return (int(streams[1]), "") if streams else (1 << 30, _load(group))


def _marks(run: Run, name: str) -> list[Mark]:
    found = [(group, run.figure(name, group)) for group in run.groups(name)]
    return [Mark(_load(group), _target(group), each) for group, each in found if isinstance(each, Figure)]


def _loads(run: Run, names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(_load(group) for group in sorted(run.groups(*names), key=_order)))


def _targets(run: Run, names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(map(_target, run.groups(*names))))


# ---- ratios


def _ratio_picture(run: Run, stem: str) -> Picture:
    names = [name for name in RATIOS if run.groups(name)]
    loads, rows = _loads(run, names), -(-len(names) // 2)
    height = rows * (panel_height(len(loads), len(_targets(run, names))) + 0.2) + 0.3
    caption = (
        f"{run.label}: ours ÷ that of {', '.join(_targets(run, names))}. Dots are means over rounds, "
        "whiskers 95 % intervals; the shaded side of 1 is where ours is better."
    )
    draw = partial(_draw_ratios, run=run, names=names, rows=rows)
    return picture(f"{stem}-ratios", caption, "Ratios of ours to each peer, by load", height, draw)


def _draw_ratios(drawing: Drawing, run: Run, names: Sequence[str], rows: int) -> None:
    # The first colour is ours wherever servers are drawn.
    hues = colours(["ours", *_targets(run, names)])
    panels = list(drawing.subplots(rows, 2, squeeze=False).flat)
    for axes, name in zip(panels, names, strict=False):
        dots(axes, _marks(run, name), hues, _loads(run, [name]))
        _alike(axes, len(_loads(run, names)))
        _around_one(axes, better_above=name in _MORE_IS_BETTER)
        axes.set_title(figure_words.title(name))
        axes.set_xlabel("ours ÷ peer's")
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    legend_below(drawing)


def _alike(axes: Axes, num_loads: int) -> None:
    """Bars as thick in a panel of few loads as in one of many."""
    axes.set_ylim(num_loads - 0.5, -0.5)


def _around_one(axes: Axes, *, better_above: bool) -> None:
    low, high = axes.get_xlim()
    low, high = min(low, 0.9), max(high, 1.1)
    low, high = low - 0.03 * (high - low), high + 0.03 * (high - low)  # no dot on the edge
    axes.axvline(1, color=_INK, linewidth=1)
    axes.axvspan(*((1, high) if better_above else (low, 1)), color="#009E73", alpha=0.09, linewidth=0)
    axes.set_xlim(low, high)


# ---- the figures themselves


def _value_picture(run: Run, stem: str) -> Picture:
    names = [name for name in _DRAWN if run.groups(name)]
    targets, rows = _targets(run, names), -(-len(names) // 2)
    height = rows * (panel_height(len(_loads(run, names)), len(targets)) + 0.2) + 0.3
    draw = partial(_draw_values, run=run, names=names, rows=rows)
    caption = f"{run.label}: each server's own figures, medians over rounds where there is no interval."
    return picture(f"{stem}-values", caption, "Figures of each server, by load", height, draw)


def _draw_values(drawing: Drawing, run: Run, names: Sequence[str], rows: int) -> None:
    hues = colours(_targets(run, names))
    panels = list(drawing.subplots(rows, 2, squeeze=False).flat)
    for axes, name in zip(panels, names, strict=False):
        bars(axes, _marks(run, name), hues, _loads(run, [name]))
        _alike(axes, len(_loads(run, names)))
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    legend_below(drawing)


# ---- gaps while a prompt arrives


def _timeline(run: Run, mixed: Sequence[MixedSample], stem: str) -> Picture:
    shown = list({each.target: each for each in mixed if each.round == mixed[-1].round}.values())
    streams = sum(len(each.timelines) for each in shown)
    caption = (
        f"{run.label}: running streams while a prompt of {shown[0].prompt_tokens} tokens arrives at 0 "
        "(last round). A tick is a token's arrival, a row a stream; shaded is the wait for the prompt's "
        "first token."
    )
    height = 0.6 + 0.75 * len(shown) + 0.11 * streams
    draw = partial(_draw_timeline, shown=shown)
    return picture(f"{stem}-timeline", caption, "Arrivals of tokens around a long prompt", height, draw)


def _draw_timeline(drawing: Drawing, shown: Sequence[MixedSample]) -> None:
    hues = colours(each.target for each in shown)
    ratios = [max(2, len(each.timelines)) for each in shown]
    panels = drawing.subplots(len(shown), 1, squeeze=False, sharex=True, height_ratios=ratios)[:, 0]
    for axes, each in zip(panels, shown, strict=True):
        axes.axvspan(0, each.ttft_s, color="#bbbbbb", alpha=0.45, linewidth=0)
        axes.eventplot(each.timelines, colors=hues[each.target], linewidths=0.7, linelengths=0.75)
        axes.set_yticks([])
        axes.grid(visible=False, axis="y")
        gap, first = map(figure_words.seconds, (each.worst_gap_s, each.ttft_s))
        axes.set_title(f"{each.target}: longest gap {gap}, newcomer's TTFT {first}")
    panels[-1].set_xlabel("seconds from the sending of the long prompt")
