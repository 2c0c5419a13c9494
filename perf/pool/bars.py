"""From samples to the rows of the table, with the bars of a pool."""

from collections.abc import Sequence

from perf.bar_table import Sample, ratios, row, values
from perf.record.result_schema import Figure


def rows(samples: Sequence[Sample]) -> list[Figure]:
    """The rows of what was measured, and of what was not."""

    def found(key: str) -> list[float]:
        return list(values(samples, key).values())

    share = found("half.share")
    overloaded = ratios(samples, "overload.pool.goodput", "overload.ideal.goodput")
    return [
        row("goodput of 4 nodes ÷ 1", "", ratios(samples, "scale.pool", "scale.one"), 3.8, at_most=False),
        row("a node of half the speed: share of calls ÷ of capacity", "", share, 0.9, at_most=False),
        row("the same, from above", "", share, 1.1),
        row("a node that died and serves again: first new stream after", "s", found("dead.again_s"), 3),
        row("calls after its death that failed after the retry", "", found("dead.failed"), 0),
        row("a node cut off for 8 s: first new stream after", "s", found("silent.again_s"), 3),
        row("calls meanwhile that failed after the retry", "", found("silent.failed"), 0),
        row("1.5 × capacity: goodput of 4 nodes ÷ one of 4 × speed", "", overloaded, 0.95, at_most=False),
    ]
