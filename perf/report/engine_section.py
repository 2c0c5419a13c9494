"""What the engine costs over a bare loop, and how near decode is to the memory's bandwidth."""

from collections.abc import Iterator, Sequence
from functools import partial

from matplotlib.figure import Figure as Drawing

from perf.record.result_schema import Figure
from perf.report import figure_words
from perf.report.charts import Mark, bars, dots, panel_height
from perf.report.document import Block, Picture, Section, Table, Text
from perf.report.gather_runs import Run
from perf.report.picture_look import colours, legend_below, picture

_CONTENDERS = (
    "decode_tokens_per_second",
    "overhead_ratio",
    "overhead_seconds",
    "step_seconds.p50",
    "step_seconds.p95",
    "bandwidth_share",
)
_WITH_INTERVAL = {"decode_tokens_per_second", "overhead_ratio", "bandwidth_share"}
_OUTWARD = ("bare", "worker", "client")
_READ = ("bytes_per_step", "bytes_per_token")


def section(runs: Sequence[Run]) -> Section:
    """All runs of bench engine; `runs` has at least one."""
    return Section(
        "The engine",
        [
            Text(
                "bare is llama_decode in a loop and nothing else, worker our engine's process, client our "
                "server at its gRPC client. Decode reads the weights once a step and each stream's KV cells: "
                "bytes a step × steps a second ÷ the bandwidth measured here says how much room is left."
            ),
            *(block for number, run in enumerate(runs) for block in _of(run, f"engine-{number + 1}")),
        ],
    )


def _of(run: Run, stem: str) -> Iterator[Block]:
    yield _contenders(run)
    yield from _bandwidth(run)
    if run.groups("overhead_ratio", "bandwidth_share"):
        yield _picture(run, stem)


def _contenders(run: Run) -> Table:
    measured = [name for name in _CONTENDERS if run.groups(name)]
    rows = [
        [
            _streams(group),
            _contender(group),
            *(_shown(name)(run.figure(name, group)) for name in measured),
        ]
        for group in sorted(run.groups(*measured), key=_order)
    ]
    caption = f"{run.label}: by number of streams"
    return Table(caption, ["streams", "contender", *map(figure_words.title, measured)], rows, num_words=2)


def _bandwidth(run: Run) -> Iterator[Table]:
    measured = [name for name in _READ if run.groups(name)]
    if measured:
        rows = [
            [group, *(figure_words.value(run.figure(name, group)) for name in measured)]
            for group in run.groups(*measured)
        ]
        yield Table(f"{run.label}: what decode reads", ["streams", *map(figure_words.title, measured)], rows)
    if threads := run.groups("memory_bandwidth"):
        rows = [
            [group, figure_words.with_interval(run.figure("memory_bandwidth", group))] for group in threads
        ]
        yield Table(
            f"{run.label}: memory, read in a loop", ["", figure_words.title("memory_bandwidth")], rows
        )


def _contender(group: str) -> str:
    return group.partition("/")[0]


def _streams(group: str) -> str:
    count = group.partition("/")[2]
    return f"{count} stream{'s' if count != '1' else ''}"


def _shown(name: str) -> figure_words.Shown:
    """Intervals where they decide something; a table is as wide as a page."""
    return figure_words.with_interval if name in _WITH_INTERVAL else figure_words.value


def _order(group: str) -> tuple[int, int]:
    """By streams, then from the bare loop outward."""
    name, _, count = group.partition("/")
    place = _OUTWARD.index(name) if name in _OUTWARD else len(_OUTWARD)
    return int(count) if count.isdecimal() else 0, place


def _marks(run: Run, name: str) -> list[Mark]:
    groups = sorted(run.groups(name), key=_order)
    found = [(group, run.figure(name, group)) for group in groups]
    return [
        Mark(_streams(group), _contender(group), each) for group, each in found if isinstance(each, Figure)
    ]


def _picture(run: Run, stem: str) -> Picture:
    marks = [_marks(run, name) for name in ("overhead_ratio", "bandwidth_share")]
    rows = max(len({mark.category for mark in each}) for each in marks)
    caption = (
        f"{run.label}: decode rate against the bare loop's of the same round (1, the line, costs nothing), "
        "and the share of the memory's bandwidth that decode uses. Whiskers: 95 % interval."
    )
    alt = "Overhead ratio and share of memory bandwidth, by number of streams"
    draw = partial(_draw, overhead=marks[0], bandwidth=marks[1])
    return picture(f"{stem}-overhead", caption, alt, panel_height(rows, 3) + 0.4, draw)


def _draw(drawing: Drawing, overhead: Sequence[Mark], bandwidth: Sequence[Mark]) -> None:
    hues = colours([*_OUTWARD, *(mark.series for mark in (*overhead, *bandwidth))])
    left, right = drawing.subplots(1, 2)
    dots(left, overhead, hues, _categories(overhead))
    left.axvline(1, color="#1a1a1a", linewidth=1)
    bars(right, bandwidth, hues, _categories(bandwidth))
    legend_below(drawing)


def _categories(marks: Sequence[Mark]) -> list[str]:
    return list(dict.fromkeys(mark.category for mark in marks))
