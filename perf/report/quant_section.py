"""One model in several formats: a table and one picture."""

from collections.abc import Iterator, Sequence

from perf.quant import quant_figures, quant_picture
from perf.report import figure_words
from perf.report.document import Block, Section, Table, Text
from perf.report.gather_runs import Run

_COLUMNS = (
    "size_bytes",
    quant_figures.PEAK,
    quant_figures.PREFILL,
    quant_figures.DECODE,
    quant_figures.PERPLEXITY,
    "same_token_share",
    quant_figures.ACCURACY,
)
_WITH_INTERVAL = {quant_figures.PERPLEXITY, quant_figures.ACCURACY}


def section(runs: Sequence[Run]) -> Section:
    """All runs of bench quant; `runs` has at least one."""
    text = (
        "The same weights, rounded to other formats. What a rounded source has lost, no format brings back: a"
        " perplexity near the source's is the best there is."
    )
    blocks = (block for number, run in enumerate(runs) for block in _of(run, f"quant-{number + 1}"))
    return Section("Formats of weights", [Text(text), *blocks])


def _of(run: Run, stem: str) -> Iterator[Block]:
    names = [name for name in _COLUMNS if run.groups(name)]
    rows = [[group, *(_cell(run, name, group) for name in names)] for group in run.groups(*names)]
    label = f"{run.label}, {run.result.targets[0].model}"
    yield Table(f"{label}: by format, and by answers together", ["", *map(figure_words.title, names)], rows)
    if names:
        yield quant_picture.draw(stem, label, run.result.summary)


def _cell(run: Run, name: str, group: str) -> str:
    shown = figure_words.with_interval if name in _WITH_INTERVAL else figure_words.value
    return shown(run.figure(name, group))
