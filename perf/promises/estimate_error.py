"""How far Estimate's completion at p50 is from what the request then took, at several loads.

Answers of a length that the caller knows and answers that end where the model ends them are asked by
clients of their own: a node learns the lengths of each client.
"""

from collections.abc import Iterator, Sequence

from perf.bar_table import Sample
from perf.promises.contract_caller import Foretell, Foretold
from perf.promises.promise_lineup import Lineup, foretell
from perf.promises.request_mix import of_kind
from perf.round_loop import BarRun
from perf.stream_figures import percentile

COUNTS = {1: 10, 4: 12, 12: 14}
"""Requests of each kind that count, by the number of streams."""
WARM_UP = 8
KINDS = {"fixed": False, "free": True}


def measure(lineup: Lineup, _run: BarRun, number: int) -> Iterator[Sample]:
    """One round: kind by kind, the node warmed up with some of the same."""
    ours = lineup.ours()
    writer = lineup.writer(ours, number)
    for kind, free in KINDS.items():
        caller = lineup.caller(ours, f"perf-{kind}")
        count = WARM_UP + sum(COUNTS.values()) + sum(COUNTS)
        requests = iter(writer.write(of_kind(7 * number + 1, count, free=free)))
        foretell(caller, Foretell([next(requests) for _ in range(WARM_UP)], WARM_UP // 2))
        found: list[Foretold] = []
        for streams, count in COUNTS.items():
            command = Foretell([next(requests) for _ in range(streams + count)], streams)
            seen = in_company(foretell(caller, command), streams)
            yield Sample(number, f"{kind}.error.{streams}", median_error(seen))
            found += seen
        yield Sample(number, f"{kind}.error", median_error(found))
        yield Sample(
            number, f"{kind}.within_p95", sum(each.real_s <= each.p95_s for each in found) / len(found)
        )


def in_company(found: Sequence[Foretold], streams: int) -> list[Foretold]:
    """Without each caller's first: all of those were predicted before any of them was asked."""
    return [each for each in found if each.number >= streams]


def median_error(found: Sequence[Foretold]) -> float:
    """|predicted − real| ÷ real."""
    return percentile([abs(each.p50_s - each.real_s) / each.real_s for each in found], 50)
