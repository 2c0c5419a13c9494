"""The paper's experiment: speed, latency, memory, CPU and energy a model; speed against context."""

from collections.abc import Sequence

from matplotlib.figure import Figure as Drawing

from perf.record.result_schema import Figure
from perf.report import figure_words, paper_turns
from perf.report.charts import Mark, bars, panel_height
from perf.report.document import Picture, Section, Table, Text
from perf.report.gather_runs import Run
from perf.report.picture_look import colours, legend_below, picture

_SPEED = (
    "prefill_tokens_per_second",
    "decode_tokens_per_second",
    "seconds_per_token",
    "ttft.p50",
    "ttft.p95",
    "load_seconds",
)
_STEADY = ("decode_cv", "prefill_cv", "cached_tokens_share", "num_turns", "num_skipped_turns")
_NEEDS = (
    "peak_rss_bytes",
    "peak_pss_bytes",
    "memory_share",
    "cpu_share",
    "temperature.max",
    "throttled",
    "energy_per_token.gross",
    "energy_per_token.net",
)
_DRAWN_SPEED = ("prefill_tokens_per_second", "decode_tokens_per_second", "seconds_per_token", "ttft.p50")
_DRAWN_NEEDS = ("peak_rss_bytes", "peak_pss_bytes", "memory_share", "cpu_share")


def section(runs: Sequence[Run]) -> Section:
    """Tables and pictures of all runs of bench paper; `runs` has at least one."""
    return Section(
        "The paper's experiment",
        [
            Text(
                "Dialogues turn by turn with growing context, greedy, one request at a time. Prompt tokens "
                "taken from the cache count in no prefill figure; PSS counts a shared page once."
            ),
            _table("Speed, with 95 % intervals", runs, _SPEED),
            _table("Steadiness: the coefficient of variation (CV) of the turns' own rates", runs, _STEADY),
            _table("What it takes", runs, _NEEDS),
            *_unmeasured(runs),
            _panels("paper-speed", runs, _DRAWN_SPEED, "Speed and latency of each model"),
            _panels("paper-needs", runs, _DRAWN_NEEDS, "Memory and CPU of each model"),
            *paper_turns.pictures(runs),
        ],
    )


def models(runs: Sequence[Run]) -> list[str]:
    """Every model that has a figure, in the order of the runs."""
    return list(dict.fromkeys(group for run in runs for group in run.groups("num_turns", *_SPEED)))


def _table(caption: str, runs: Sequence[Run], names: Sequence[str]) -> Table:
    measured = [name for name in names if any(run.groups(name) for run in runs)]
    rows = [
        [model, run.label, *(figure_words.with_interval(run.figure(name, model)) for name in measured)]
        for model in models(runs)
        for run in runs
        if model in run.groups("num_turns", *_SPEED)
    ]
    return Table(caption, ["model", "node", *map(figure_words.title, measured)], rows, num_words=2)


def _unmeasured(runs: Sequence[Run]) -> list[Text]:
    """Why a figure is missing, once for each reason."""
    reasons: dict[str, list[str]] = {}
    for figure in (figure for run in runs for figure in run.result.summary if figure.value is None):
        reasons.setdefault(figure.note.removeprefix("not measured: "), []).append(
            figure_words.title(figure.name)
        )
    told = (f"{', '.join(dict.fromkeys(names))} ({why})" for why, names in reasons.items())
    return [Text(f"Not measured: {'; '.join(told)}.")] if reasons else []


def _panels(name: str, runs: Sequence[Run], figures: Sequence[str], what: str) -> Picture:
    categories, hues = models(runs), colours(run.label for run in runs)
    height = 2 * panel_height(len(categories), len(hues)) + 0.3

    def draw(drawing: Drawing) -> None:
        grid = drawing.subplots(2, 2, sharey=False)
        for axes, figure in zip(grid.flat, figures, strict=True):
            bars(axes, _marks(runs, figure), hues, categories)
        for axes in grid[:, 1]:
            axes.set_yticklabels([])
        legend_below(drawing)

    caption = f"{what}. Whiskers: 95 % interval."
    alt = f"{what}: bars of " + ", ".join(map(figure_words.title, figures))
    return picture(name, caption, alt, height, draw)


def _marks(runs: Sequence[Run], name: str) -> list[Mark]:
    found = [(model, run, run.figure(name, model)) for run in runs for model in run.groups(name)]
    return [Mark(model, run.label, figure) for model, run, figure in found if isinstance(figure, Figure)]
