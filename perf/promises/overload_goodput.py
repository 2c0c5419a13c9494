"""Goodput of an open load beyond capacity: with admission by deadline, without, and of llama-server."""

from collections.abc import Iterator, Sequence

from perf.bar_table import Sample
from perf.load.arrivals import schedule
from perf.load.load_samples import Request
from perf.promises.idle_speeds import capacity_of, measure_speeds
from perf.promises.loop_callers import Closed, Open
from perf.promises.promise_lineup import Contender, Lineup
from perf.promises.request_mix import draw
from perf.round_loop import BarRun
from perf.targets.target import CompletionRequest
from xapp.rotation import rotated

LOAD = 1.5
"""Of the capacity."""
LOAD_S = 30.0
CAPACITY_S = 20.0
SETTLE_S = 5.0
"""Of them: all callers begin at once."""
WARM_UP_S = 6.0
_MOST_A_SECOND = 20
_REFUSED = "refused"
_NOT_SENT = {"overflow", "expired"}


def measure(lineup: Lineup, run: BarRun, number: int) -> Iterator[Sample]:
    """One round: the same arrivals, texts and deadlines for all."""
    ours = lineup.ours("with")
    others = [lineup.ours("without", {"XAPP_DEADLINE_ADMISSION": "false"}), lineup.llama_server()]
    writer = lineup.writer(ours, number)
    speeds = measure_speeds(ours, writer)
    found = ours.ask(_closed(writer.write(draw(_seed(number, 0), _asks_of(CAPACITY_S))), CAPACITY_S, lineup))
    capacity = capacity_of(found, SETTLE_S)
    yield Sample(number, "capacity", capacity)
    warm_up = _closed(writer.write(draw(_seed(number, 1), _asks_of(WARM_UP_S))), WARM_UP_S, lineup)
    times = arrivals(LOAD * capacity, _seed(number, 2))
    load = Open(writer.write(draw(_seed(number, 3), len(times)), speeds), times)
    contenders = [ours, *(each for each in others if each is not None)]
    for contender in rotated(contenders, number):
        with run.tolerating(contender.name, number):
            if contender is not ours:
                contender.ask(warm_up)
            yield from _samples(contender, contender.ask(load), number)


def arrivals(rate: float, seed: int) -> list[float]:
    """Seconds from the start: a Poisson process, given that it brings `rate` × LOAD_S requests.

    So the load is what it should be, and chance has only when they come.
    """
    *times, end = schedule(rate, seed=seed, num_requests=round(rate * LOAD_S) + 1)
    return [at * LOAD_S / end for at in times]


def _closed(requests: list[CompletionRequest], duration_s: float, lineup: Lineup) -> Closed:
    assert lineup.engine_config is not None
    return Closed(requests, lineup.engine_config.num_slots, duration_s)


def _samples(contender: Contender, requests: Sequence[Request], number: int) -> Iterator[Sample]:
    for what, value in figures(requests).items():
        yield Sample(number, f"{contender.name}.{what}", value)


def figures(requests: Sequence[Request]) -> dict[str, float]:
    """Goodput a second; shares of all: admitted; of the admitted: in time. No share of nothing."""
    sent = [each for each in requests if each.error not in _NOT_SENT]
    admitted = [each for each in sent if each.error != _REFUSED]
    good = sum(in_time(each) for each in admitted)
    found = {
        "requests": len(requests),
        "goodput": max(good, 1) / LOAD_S,  # so that a ratio to it can be told
        "admitted": len(admitted) / len(requests),
    }
    return found | ({"kept": good / len(admitted)} if admitted else {})


def in_time(request: Request) -> bool:
    """Whether the answer was whole within its deadline, counted from its scheduled arrival."""
    took_s = request.e2e_s
    return took_s is not None and (request.deadline_s is None or took_s <= request.deadline_s)


def _seed(number: int, purpose: int) -> int:
    return 1000 * number + purpose


def _asks_of(duration_s: float) -> int:
    return int(duration_s * _MOST_A_SECOND)
