"""The figures of `bench routing`, each on held-out questions.

With `group` = the name of a signal:

    apgr_over_random      APGR less 0.5; 95 % interval by bootstrap over the questions
    cpt_50  cpt_80        least share sent for 50 % and 80 % of the gain
    error_rate            share of questions sent although the little model is right, or kept when it is wrong
    share_sent            share of questions above the threshold
    threshold             the median of the signal on the training questions
    seconds               median time of asking the little model for the signal, where it was asked on its own
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from perf.record.make_figures import measured, of_interval
from perf.record.result_schema import Figure
from perf.record.statistics_of_samples import bootstrap_interval, wilson_interval
from perf.routing.cost_quality import apgr, cpt, error_rate, share_sent
from perf.routing.signal_values import Item

RANDOM, ORACLE = "random", "oracle"
FEW = 10


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal's values on the questions that it is known of, and the threshold that training gives."""

    name: str
    items: Sequence[Item]
    values: Sequence[float]
    threshold: float

    @property
    def gains(self) -> list[int]:
        """What sending each question on changes."""
        return [item.gain for item in self.items]


def figures(held_out: Sequence[Item], signals: Sequence[Signal]) -> list[Figure]:
    """All figures."""
    return [*_models(held_out), *(figure for signal in signals for figure in _of_signal(signal))]


def _models(items: Sequence[Item]) -> Iterator[Figure]:
    for role in ("little", "big"):
        right = sum(getattr(item, role).is_right for item in items)
        found = wilson_interval(right, len(items))
        yield of_interval("accuracy", "", found, group=role, higher_is_better=True)
    yield Figure("num_items", len(items), "", "held out")


def over_random(signal: Signal, places: Sequence[float]) -> float:
    """APGR less 0.5 of the questions at these places."""
    chosen = [int(place) for place in places]
    values, gains = signal.values, signal.gains
    return apgr([values[place] for place in chosen], [gains[place] for place in chosen]) - 0.5


def _of_signal(signal: Signal) -> Iterator[Figure]:
    name, values, gains, count = signal.name, signal.values, signal.gains, len(signal.values)
    places = [float(place) for place in range(count)]
    found = bootstrap_interval(places, statistic=partial(over_random, signal))
    yield of_interval("apgr_over_random", "", found, group=name, higher_is_better=True)
    for percent in (50, 80):
        yield Figure(f"cpt_{percent}", cpt(values, gains, percent / 100), "", name, num_samples=count)
    is_right = [item.little.is_right for item in signal.items]
    wrong, sent = error_rate(values, is_right, signal.threshold), share_sent(values, signal.threshold)
    yield Figure("error_rate", wrong, "", name, num_samples=count, higher_is_better=False)
    yield Figure("share_sent", sent, "", name, num_samples=count)
    yield Figure("threshold", signal.threshold, "", name)
    if seconds := _seconds(signal):
        yield measured("seconds", "s", seconds, group=name, higher_is_better=False)


def _seconds(signal: Signal) -> list[float]:
    """Of a signal that the little model was asked for on its own."""
    if signal.name == "rating":
        return [item.rated.seconds for item in signal.items if item.rated is not None]
    if signal.name == "hidden_state":
        return [item.stated.seconds for item in signal.items if item.stated is not None]
    return [item.probes[signal.name].seconds for item in signal.items if signal.name in item.probes]


def median_threshold(values: Sequence[float]) -> float:
    """The threshold that sends half of the training questions on; 0.5 without any."""
    return statistics.median(values) if values else 0.5


def best(signals: Sequence[Signal]) -> Signal | None:
    """The signal with the greatest APGR on these questions, of those that are known of at least FEW."""
    known = [signal for signal in signals if len(signal.values) >= FEW]
    return max(known, key=lambda each: apgr(each.values, each.gains), default=None)
