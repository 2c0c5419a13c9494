"""Turn by turn: prefill and decode speed against the context, and how long the prompts were."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from perf.paper.paper_samples import MIN_DECODE_TOKENS, MIN_PREFILL_TOKENS, Turn
from perf.report.document import Picture
from perf.report.gather_runs import Run
from perf.report.picture_look import MARKERS, colours, from_zero, legend_below, picture

_BINS = 8
_MIN_IN_BIN = 2
_MIN_LINE = 3
_MAX_OVERLAID = 7
_MAX_PANELS = 12


@dataclass(frozen=True, slots=True)
class _Turns:
    """The turns of one model in one run."""

    model: str
    label: str
    turns: Sequence[Turn]


def pictures(runs: Sequence[Run]) -> list[Picture]:
    """None without turns. Raises RecordError for a malformed sample."""
    series = [each for run in runs for each in _by_model(run)]
    if not series:
        return []
    return [_against_context(series), _prompt_lengths(series)]


def _by_model(run: Run) -> Iterator[_Turns]:
    turns = run.samples(Turn)
    for model in dict.fromkeys(turn.model for turn in turns):
        yield _Turns(model, run.label, [turn for turn in turns if turn.model == model])


# ---- speed against context


def _against_context(series: Sequence[_Turns]) -> Picture:
    """One row of panels when colour is free for the models, else a row a model and colour for the node."""
    models = list(dict.fromkeys(each.model for each in series))[:_MAX_PANELS]
    one_node = len({each.label for each in series}) == 1
    overlaid = one_node and len(models) <= _MAX_OVERLAID
    rows = [series] if overlaid else [[each for each in series if each.model == model] for model in models]
    titles = [""] if overlaid else models
    key = _model if overlaid else _label
    draw = partial(_draw_context, rows=rows, titles=titles, key=key)
    caption = (
        "Tokens a second against the context, prefill left and decode right. A dot is a turn, the line "
        f"the median of its neighbours. Turns with fewer than {MIN_PREFILL_TOKENS} computed or "
        f"{MIN_DECODE_TOKENS} generated tokens are left out."
    )
    alt = "Prefill and decode rate of every turn against the number of prompt tokens"
    return picture("paper-context", caption, alt, 0.6 + 2.5 * len(rows), draw)


def _model(each: _Turns) -> str:
    return each.model


def _label(each: _Turns) -> str:
    return each.label


def _draw_context(
    drawing: Drawing,
    rows: Sequence[Sequence[_Turns]],
    titles: Sequence[str],
    key: Callable[[_Turns], str],
) -> None:
    hues = colours(key(each) for row in rows for each in row)
    grid = drawing.subplots(len(rows), 2, squeeze=False, sharex=True)
    for panels, row, title in zip(grid, rows, titles, strict=True):
        for axes, what, rate in zip(panels, ("prefill", "decode"), (_prefill, _decode), strict=True):
            for each in row:
                _dots_and_line(axes, _points(each.turns, rate), key(each), hues)
            axes.set_title(f"{title}: {what}" if title else what.capitalize())
            from_zero(axes)
            axes.set_ylabel(f"{what}, tokens/s")
    for axes in grid[-1]:
        axes.set_xlabel("context, prompt tokens")
        axes.set_xlim(left=0)
    legend_below(drawing)


def _prefill(turn: Turn) -> float | None:
    return turn.prefill_tokens_per_second if turn.num_computed_tokens >= MIN_PREFILL_TOKENS else None


def _decode(turn: Turn) -> float | None:
    return turn.decode_tokens_per_second if turn.num_completion_tokens >= MIN_DECODE_TOKENS else None


_Points = list[tuple[float, float]]


def _points(turns: Sequence[Turn], rate: Callable[[Turn], float | None]) -> _Points:
    rates = [(float(turn.num_prompt_tokens), rate(turn)) for turn in turns]
    return sorted((context, each) for context, each in rates if each is not None)


def _dots_and_line(axes: Axes, points: _Points, name: str, hues: Mapping[str, str]) -> None:
    mark = MARKERS[list(hues).index(name) % len(MARKERS)]
    style: dict[str, Any] = {"color": hues[name], "marker": mark, "linestyle": "none"}
    line = medians(points)
    if len(line) < _MIN_LINE:
        axes.plot(*_columns(points), label=name, **style)
        return
    axes.plot(*_columns(points), markersize=3, alpha=0.35, **style)
    style["linestyle"] = "-"
    axes.plot(*_columns(line), label=name, **style)


def _columns(points: _Points) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def medians(points: _Points) -> _Points:
    """Medians of both coordinates over up to _BINS runs of neighbours, alike in number; points sorted."""
    count = max(1, min(_BINS, len(points) // _MIN_IN_BIN))
    edges = [round(number * len(points) / count) for number in range(count + 1)]
    bins = [points[start:end] for start, end in pairwise(edges) if end > start]
    return [(statistics.median(x for x, _ in each), statistics.median(y for _, y in each)) for each in bins]


# ---- how long prompts were


def _prompt_lengths(series: Sequence[_Turns]) -> Picture:
    """Of each model once: on another node the prompts are the same, but for the model's answers."""
    first = list({each.model: each for each in reversed(series)}.values())[::-1]
    caption = (
        "How long the prompts were: the share of turns with at most so many prompt tokens, the dialogue so "
        "far included. A model's tokenizer and its own answers make the difference."
    )
    alt = "Cumulative distribution of prompt lengths of each model"
    return picture("paper-prompts", caption, alt, 2.9, partial(_draw_lengths, series=first))


def _draw_lengths(drawing: Drawing, series: Sequence[_Turns]) -> None:
    axes = drawing.subplots()
    hues = colours(each.model for each in series)
    for each in series:
        lengths = sorted(turn.num_prompt_tokens for turn in each.turns)
        shares = [100 * (number + 1) / len(lengths) for number in range(len(lengths))]
        axes.step([0, *lengths], [0, *shares], where="post", color=hues[each.model], label=each.model)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 103)
    axes.set_xlabel("prompt, tokens")
    axes.set_ylabel("turns, %")
    legend_below(drawing)
