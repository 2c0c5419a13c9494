"""TTFT of CRITICAL requests while more BATCH requests than slots keep the node busy, against an idle node.

llama-server knows no classes: there they are requests like the others.
"""

import random
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate

from perf.bar_table import Sample
from perf.load.load_samples import Request
from perf.promises import batch_load
from perf.promises.loop_callers import Open
from perf.promises.promise_lineup import Beside, Contender, Lineup
from perf.promises.request_mix import Wanted
from perf.round_loop import BarRun, NotMeasured
from perf.stream_figures import percentile
from xapp.rotation import rotated

PROBES = 28
PROMPT_TOKENS = 60
ANSWER_TOKENS = 8
GAP_S = (0.5, 0.8)
MORE_STREAMS_THAN_SLOTS = 4
_BATCH_REQUESTS = 160
_AFTER_S = 2.0


def measure(lineup: Lineup, run: BarRun, number: int) -> Iterator[Sample]:
    """One round: first idle, then under load."""
    ours = lineup.ours()
    peer = lineup.llama_server()
    assert lineup.engine_config is not None
    writer = lineup.writer(ours, number)
    times = arrivals(number)
    wanted = [Wanted(PROMPT_TOKENS, ANSWER_TOKENS, free=False)] * PROBES
    probes = [Open(batch_load.in_class(writer.write(wanted), "critical"), times) for _ in range(2)]
    load = batch_load.load(
        writer,
        streams=lineup.engine_config.num_slots + MORE_STREAMS_THAN_SLOTS,
        count=_BATCH_REQUESTS,
        duration_s=batch_load.SETTLE_S + times[-1] + _AFTER_S,
        seed=number,
    )
    for contender in rotated([each for each in (ours, peer) if each is not None], number):
        with run.tolerating(contender.name, number):
            idle = contender.ask(probes[0])
            with Beside(lineup.more_callers(contender), load):
                time.sleep(batch_load.SETTLE_S)
                loaded = contender.ask(probes[1])
            yield from _samples(contender, idle, loaded, number)


def arrivals(seed: int) -> list[float]:
    """Seconds from the start, the first one at once."""
    random_ = random.Random(seed)
    return [0.0, *accumulate(random_.uniform(*GAP_S) for _ in range(PROBES - 1))]


def _samples(
    contender: Contender, idle: Sequence[Request], loaded: Sequence[Request], number: int
) -> Iterator[Sample]:
    for state, requests in (("idle", idle), ("loaded", loaded)):
        for percent in (50, 95):
            value = percentile(times_to_first_token(requests), percent)
            yield Sample(number, f"{contender.name}.{state}.p{percent}", value)


def times_to_first_token(requests: Sequence[Request]) -> list[float]:
    """Seconds from the scheduled arrival. Raises NotMeasured when one was not answered."""
    found = [each.ttft_s for each in requests if each.ttft_s is not None]
    if len(found) < len(requests):
        errors = sorted({each.error for each in requests if each.error})
        raise NotMeasured(f"{len(requests) - len(found)} of {len(requests)} were not answered: {errors}")
    return found
