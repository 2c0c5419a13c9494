"""How soon a caller is told that its answer will not come, by a saturated node.

Two reasons: a deadline that cannot be met, at any time of load; a queue that is full.
"""

import time
from collections.abc import Iterator, Sequence

from perf.bar_table import Sample
from perf.load.load_samples import Request
from perf.promises import batch_load
from perf.promises.idle_speeds import measure_speeds
from perf.promises.loop_callers import Open
from perf.promises.promise_lineup import Beside, Lineup
from perf.promises.request_mix import Wanted
from perf.round_loop import BarRun
from perf.stream_figures import percentile
from xapp.config import Settings

PROBES = 110
"""Of each kind."""
GAP_S = 0.03
IMPOSSIBLE = Wanted(300, 64, free=False, multiple=0.3)
ORDINARY = Wanted(60, 16, free=False)
MORE_STREAMS_THAN_SLOTS = 4
MORE_STREAMS_THAN_PLACES = 24
_AFTER_S = 1.0
_BATCH_REQUESTS = 600


def measure(lineup: Lineup, _run: BarRun, number: int) -> Iterator[Sample]:
    """One round: first some of the load waits, then all places are taken."""
    ours = lineup.ours()
    assert lineup.engine_config is not None
    writer = lineup.writer(ours, number)
    speeds = measure_speeds(ours, writer)
    places = lineup.engine_config.num_slots + Settings().admission.max_queue
    told = []
    for state, streams in (
        ("saturated", lineup.engine_config.num_slots + MORE_STREAMS_THAN_SLOTS),
        ("full", places + MORE_STREAMS_THAN_PLACES),
    ):
        probes = writer.write([IMPOSSIBLE] * PROBES, speeds)
        if state == "full":
            ordinary = batch_load.in_class(writer.write([ORDINARY] * PROBES), "batch")
            probes = [each for pair in zip(probes, ordinary, strict=True) for each in pair]
        times = [GAP_S * index for index in range(len(probes))]
        probing = Open(probes, times, times[-1] + _AFTER_S)
        load = batch_load.load(
            writer,
            streams=streams,
            count=_BATCH_REQUESTS,
            duration_s=batch_load.SETTLE_S + probing.duration_s + _AFTER_S,
            seed=number,
        )
        with Beside(lineup.more_callers(ours), load):
            time.sleep(batch_load.SETTLE_S)
            told += ours.ask(probing)
    for kind, found in kinds(told).items():
        yield from _samples(kind, found, number)


def kinds(requests: Sequence[Request]) -> dict[str, list[Request]]:
    """By why they are refused, and all."""
    return {
        "all": list(requests),
        "deadline": [each for each in requests if each.deadline_s is not None],
        "full": [each for each in requests if each.deadline_s is None],
    }


def _samples(kind: str, requests: Sequence[Request], number: int) -> Iterator[Sample]:
    for what, value in figures(requests).items():
        yield Sample(number, f"{kind}.{what}", value)


def figures(requests: Sequence[Request]) -> dict[str, float]:
    """The share that was refused, and from the call to the refusal, seconds."""
    took = [
        each.end_s - each.sent_s for each in requests if each.error == "refused" and each.sent_s is not None
    ]
    found = {"refused": len(took) / len(requests)}
    return found | ({f"p{percent}": percentile(took, percent) for percent in (50, 99)} if took else {})
