"""What drafts gain by kind of text, what a step with drafts costs, and where answers part."""

from collections.abc import Iterator, Sequence
from functools import partial

from matplotlib.figure import Figure as Drawing

from perf.record.result_schema import Figure
from perf.report import figure_words
from perf.report.charts import Mark, dots, panel_height
from perf.report.document import Block, Picture, Section, Table, Text
from perf.report.gather_runs import Run
from perf.report.picture_look import colours, legend_below, picture

_SPEEDS = ("decode_tokens_per_second", "speedup", "acceptance_rate")
_PARTINGS = ("parted_answers", "parting_margin")


def section(runs: Sequence[Run]) -> Section:
    """All runs of bench speculation; `runs` has at least one."""
    return Section(
        "Speculation",
        [
            Text(
                "speedup is the decode rate with drafts ÷ that of one token a step, of the same prompts. "
                "step price is the time of a step of several rows of one sequence ÷ that of one row. "
                "A draft pays where more tokens are accepted than the price of its row."
            ),
            *(block for number, run in enumerate(runs) for block in _of(run, f"speculation-{number + 1}")),
        ],
    )


def _of(run: Run, stem: str) -> Iterator[Block]:
    if run.groups("step_price"):
        yield _table(run, "what a step costs", "step_price", by="rows")
        yield _prices(run, f"{stem}-price")
    if run.groups(*_SPEEDS):
        yield _many(run, "by text, streams and strategy", _SPEEDS)
    if run.groups("predicted_speedup"):
        yield _table(run, "n-gram drafts at other prices", "predicted_speedup", by="text and node")
        yield _predicted(run, f"{stem}-predicted")
    if run.groups(*_PARTINGS):
        yield _many(run, "answers that part from the plain answer", _PARTINGS)


def _table(run: Run, what: str, name: str, by: str) -> Table:
    rows = [[group, figure_words.value(run.figure(name, group))] for group in run.groups(name)]
    return Table(f"{run.label}: {what}", [by, figure_words.title(name)], rows)


def _many(run: Run, what: str, names: Sequence[str]) -> Table:
    rows = [
        [group, *(figure_words.value(run.figure(name, group)) for name in names)]
        for group in run.groups(*names)
    ]
    return Table(f"{run.label}: {what}", ["", *map(figure_words.title, names)], rows)


def _prices(run: Run, stem: str) -> Picture:
    points = [
        (int(group.partition(" ")[0]), figure.value)
        for group in run.groups("step_price")
        if isinstance(figure := run.figure("step_price", group), Figure) and figure.value is not None
    ]
    caption = f"{run.label}: the price of a step by its rows. Below the line every right draft pays."
    return picture(stem, caption, "Price of a step by its rows", 2.6, partial(_draw_prices, points=points))


def _draw_prices(drawing: Drawing, points: Sequence[tuple[int, float]]) -> None:
    axes = drawing.subplots()
    rows, prices = zip(*points, strict=True) if points else ((), ())
    axes.plot(rows, prices, marker="o", color="#0072B2")
    axes.plot(rows, rows, color="#1a1a1a", linewidth=1)
    axes.set_xlabel("rows of a step")
    axes.set_ylabel("time ÷ that of one row")


def _predicted(run: Run, stem: str) -> Picture:
    marks = []
    for group in run.groups("predicted_speedup"):
        category, _, node = group.partition("/")
        if (figure := run.figure("predicted_speedup", group)) is not None:
            marks.append(Mark(category, node, figure))
    categories = list(dict.fromkeys(mark.category for mark in marks))
    nodes = list(dict.fromkeys(mark.series for mark in marks))
    draw = partial(_draw_predicted, marks=marks, categories=categories, nodes=nodes)
    height = panel_height(len(categories), len(nodes)) + 0.5
    caption = f"{run.label}: what n-gram drafts would gain on the plain answers, at each node's prices."
    return picture(stem, caption, "Predicted speedup by text and node", height, draw)


def _draw_predicted(
    drawing: Drawing, marks: Sequence[Mark], categories: Sequence[str], nodes: Sequence[str]
) -> None:
    axes = drawing.subplots()
    dots(axes, marks, colours(nodes), categories)
    axes.axvline(1, color="#1a1a1a", linewidth=1)
    legend_below(drawing)
