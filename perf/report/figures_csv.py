"""Every figure of every run as one CSV file, for a spreadsheet or another program's pictures."""

import csv
import io
from collections.abc import Iterator, Sequence

from perf.report.gather_runs import Run

COLUMNS = (
    "node",
    "mode",
    "data",
    "group",
    "figure",
    "value",
    "low",
    "high",
    "unit",
    "samples",
    "revision",
    "started_at",
    "file",
)


def render(runs: Sequence[Run]) -> str:
    """A line a figure; one that was not measured has no value. `low` and `high` are the 95 % interval."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_rows(runs))
    return text.getvalue()


def _rows(runs: Sequence[Run]) -> Iterator[list[object]]:
    for run in runs:
        result = run.result
        for figure in result.summary:
            yield [
                result.node,
                result.mode,
                result.options.get("task", ""),
                figure.group,
                figure.name,
                *(figure.value, figure.low, figure.high),
                figure.unit,
                figure.num_samples,
                result.machine.git_revision,
                result.started_at,
                run.path.name,
            ]
