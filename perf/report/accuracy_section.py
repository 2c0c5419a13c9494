"""Accuracy with its interval, against guessing, by category."""

from collections.abc import Iterator, Sequence
from functools import partial

from matplotlib.figure import Figure as Drawing

from perf.record.result_schema import Figure
from perf.report import figure_words
from perf.report.charts import Mark, dots, panel_height
from perf.report.document import Block, Picture, Section, Table, Text
from perf.report.gather_runs import Run, data_of
from perf.report.picture_look import colours, legend_below, picture

_COLUMNS = (
    "accuracy",
    "accuracy_per_byte",
    "chance_accuracy",
    "num_items",
    "num_skipped_items",
    "items_per_second",
)
_CATEGORY = "accuracy.category."
_LEVELS = {"easy": 0, "medium": 1, "hard": 2}
"""Categories that have an order of their own; others are sorted by name."""
_MAX_DRAWN = 40


def section(runs: Sequence[Run]) -> Section:
    """All runs of bench accuracy, a data set after the other; `runs` has at least one."""
    return Section(
        "Accuracy", [_introduction(), *(block for data in _sets(runs) for block in _of(data, runs))]
    )


def _introduction() -> Text:
    return Text(
        "The share of questions whose right choice the model finds the likeliest; nothing is generated. "
        "Intervals are Wilson's, 95 %. A model whose interval has the share that guessing gets in it is not "
        "known to do better than guessing."
    )


def _sets(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(map(data_of, runs)))


def _of(data: str, runs: Sequence[Run]) -> Iterator[Block]:
    own = [run for run in runs if data_of(run) == data]
    yield _table(data, own)
    yield _overall(data, own)
    categories = _categories(own)
    if categories:
        yield _by_category(data, own, categories)
        yield _category_picture(data, own, categories[:_MAX_DRAWN])


def _pairs(runs: Sequence[Run]) -> list[tuple[str, Run]]:
    return [(model, run) for run in runs for model in run.groups("accuracy")]


def _table(data: str, runs: Sequence[Run]) -> Table:
    measured = [name for name in _COLUMNS if any(run.groups(name) for run in runs)]
    rows = [
        [model, run.label, *(figure_words.with_interval(run.figure(name, model)) for name in measured)]
        for model, run in _pairs(runs)
    ]
    return Table(data or "Accuracy", ["model", "node", *map(figure_words.title, measured)], rows, num_words=2)


def _categories(runs: Sequence[Run]) -> list[str]:
    names = {figure.name for run in runs for figure in run.result.summary}
    found = (name.removeprefix(_CATEGORY) for name in names if name.startswith(_CATEGORY))
    return sorted(found, key=lambda name: (_LEVELS.get(name, len(_LEVELS)), name))


def _series(model: str, run: Run, runs: Sequence[Run]) -> str:
    return model if len({each.label for each in runs}) == 1 else f"{model}, {run.label}"


def _marks(category: str, runs: Sequence[Run]) -> list[Mark]:
    found = [
        (_series(model, run, runs), run.figure(_CATEGORY + category, model)) for model, run in _pairs(runs)
    ]
    return [Mark(category, series, each) for series, each in found if isinstance(each, Figure)]


def _overall(data: str, runs: Sequence[Run]) -> Picture:
    marks = [
        Mark(model, run.label, each) for model, run in _pairs(runs) if (each := run.figure("accuracy", model))
    ]
    models = list(dict.fromkeys(mark.category for mark in marks))
    draw = partial(_draw, marks=marks, rows=models, chance=_chance(runs))
    caption = f"Accuracy on {data or 'the questions'}. Whiskers: 95 % interval; dashed: guessing."
    alt = f"Accuracy of each model on {data} with its interval"
    num_series = len({mark.series for mark in marks})
    height = panel_height(len(models), num_series) + 0.2 * (num_series > 1)
    return picture(f"accuracy-{data}".rstrip("-"), caption, alt, height, draw)


def _by_category(data: str, runs: Sequence[Run], categories: Sequence[str]) -> Table:
    pairs = _pairs(runs)
    rows = [
        [
            category,
            *(figure_words.with_interval(run.figure(_CATEGORY + category, model)) for model, run in pairs),
        ]
        for category in categories
    ]
    columns = ["category", *(_series(model, run, runs) for model, run in pairs)]
    return Table(f"{data}, by category".lstrip(", "), columns, rows, details=len(categories) > 12)


def _category_picture(data: str, runs: Sequence[Run], categories: Sequence[str]) -> Picture:
    marks = [mark for each in categories for mark in _marks(each, runs)]
    num_series = len({mark.series for mark in marks})
    draw = partial(_draw, marks=marks, rows=categories, chance=_chance(runs))
    caption = (
        f"Accuracy on {data} by category. Whiskers: 95 % interval; dashed: guessing over all categories."
    )
    height = panel_height(len(categories), num_series) + 0.2 * (num_series > 1)
    return picture(f"accuracy-{data}-categories", caption, "Accuracy by category", height, draw)


def _chance(runs: Sequence[Run]) -> float | None:
    """The same for all models when they were asked the same."""
    found = {figure.value for model, run in _pairs(runs) if (figure := run.figure("chance_accuracy", model))}
    return found.pop() if len(found) == 1 else None


def _draw(drawing: Drawing, marks: Sequence[Mark], rows: Sequence[str], chance: float | None) -> None:
    axes = drawing.subplots()
    dots(axes, marks, colours(mark.series for mark in marks), rows)
    if chance is not None:
        axes.axvline(100 * chance, color="#555555", linestyle="--", linewidth=1)
    axes.set_xlim(0, 100)
    legend_below(drawing)
