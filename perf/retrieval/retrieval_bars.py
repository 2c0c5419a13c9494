"""From samples to the rows of the table, with the bars of retrieval."""

from collections.abc import Sequence

from perf.bar_table import Sample, row, values
from perf.record.result_schema import Figure
from perf.record.statistics_of_samples import t_interval
from perf.retrieval.measure_retrieval import CHOICE, CLOZE
from perf.retrieval.ranking_quality import TOP_K, WAYS

_KINDS = {CLOZE: "a sentence finds its passage", CHOICE: "a question finds its answer"}
_FIGURES = ("recall@1", "recall@5", f"recall@{TOP_K}", f"MRR@{TOP_K}")


def rows(samples: Sequence[Sample], num_passages: int) -> list[Figure]:
    """The rows of what was measured, and of what was not."""

    def found(key: str) -> list[float]:
        return list(values(samples, key).values())

    return [
        row(f"search of {num_passages:,} passages, p50", "CPU-ms", found("cost.cpu_ms"), 30),
        row("writers killed in the middle of a document", "", found("crash.kills"), None),
        row("committed documents lost", "", found("crash.lost"), 0),
        row("documents torn", "", found("crash.torn"), 0),
        *(
            mean(f"{said}, {way}: {name}", found(f"{kind}.{way}.{name}"))
            for kind, said in _KINDS.items()
            for way in WAYS
            for name in _FIGURES
        ),
        mean("right answers without passages", found("accuracy.without")),
        mean("right answers with passages", found("accuracy.with")),
        mean("difference", found("accuracy.difference")),
    ]


def mean(what: str, found: Sequence[float]) -> Figure:
    """The mean over the questions, with its interval."""
    if not found:
        return Figure(what, None, "", note="not measured")
    interval = t_interval(found)
    return Figure(
        what,
        sum(found) / len(found),
        "",
        low=interval.low,
        high=interval.high,
        num_samples=len(found),
        minimum=min(found),
        maximum=max(found),
    )
