"""The modes with bars: each run's table."""

from collections.abc import Sequence

from perf import bar_table
from perf.report.document import Section, Table, Text
from perf.report.gather_runs import Run

_TITLES = {
    "serving": "Serving against its bars",
    "promises": "Promises against their bars",
    "pool": "Several nodes against their bars",
    "embedding": "Vectors against their bars",
    "retrieval": "Collections against their bars",
    "shards": "A model over helpers against its bar",
    "speech": "Speech against its bars",
    "routing": "Signals of difficulty",
    "lengths": "Predicted lengths of answers against their bars",
    "big-little": "A little and a big model against their bars",
}


def section(runs: Sequence[Run]) -> Section:
    """All runs of one of these modes; `runs` has at least one."""
    text = Text("Medians over rounds, 95 % intervals of the mean. MISS: the median does not keep its bar.")
    return Section(_TITLES[runs[0].result.mode], [text, *map(_table, runs)])


def _table(run: Run) -> Table:
    targets = run.result.targets
    model = targets[0].model if targets else run.result.options["model"]
    columns = (*bar_table.COLUMNS[:-1], "verdict")
    return Table(f"{run.label}: {model}", columns, [bar_table.cells(each) for each in run.result.summary])
