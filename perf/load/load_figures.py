"""From the samples of a step to its figures: see `perf.load.load_samples` for what each means."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from perf.load.latency_limits import Limits
from perf.load.load_samples import Loop, Request, Step
from perf.record.make_figures import PERCENTS, not_measured, of_interval
from perf.record.result_schema import Figure
from perf.record.statistics_of_samples import percentile, wilson_interval

MAX_CPU_SHARE = 0.8
MAX_LAG_S = 0.05
_Z = 1.959963984540054
_NO_ANSWER = "no whole answer"


def of_step(step: Step, requests: Sequence[Request], limits: Limits) -> list[Figure]:
    """All figures of one step."""
    return [
        *_latencies(requests, step.step),
        *_rates(step, requests),
        *_goodput(step, requests, limits),
        *_errors(requests, step.step),
        _cached(requests, step.step),
        *_client(step, requests),
    ]


def _latencies(requests: Sequence[Request], group: str) -> Iterator[Figure]:
    yield from _spread("ttft", [each.ttft_s for each in requests if each.ttft_s is not None], group)
    gaps = [gap for each in requests if not each.error for gap in each.gaps_s]
    # No interval: the gaps of one request are not independent.
    yield from _spread("itl", gaps, group, independent=False)
    yield from _spread("tpot", [each.tpot_s for each in requests if each.tpot_s is not None], group)
    yield from _spread("e2e", [each.e2e_s for each in requests if each.e2e_s is not None], group)


def _spread(
    name: str, values: Sequence[float], group: str, *, independent: bool = True, note: str = ""
) -> Iterator[Figure]:
    for percent in PERCENTS:
        full = f"{name}.p{percent}"
        if not values:
            yield not_measured(full, "s", _NO_ANSWER, group=group, higher_is_better=False)
            continue
        low, high = rank_interval(values, percent) if independent else (None, None)
        yield Figure(full, percentile(values, percent), "s", group, low, high, len(values), False, note)


def rank_interval(values: Sequence[float], percent: float) -> tuple[float | None, float | None]:
    """The 95 % interval of a percentile by order statistics; None, None where there are too few values.

    How many of n independent values lie below the true percentile is binomial: its bounds are ranks.
    """
    ordered, share, number = sorted(values), percent / 100, len(values)
    half = _Z * math.sqrt(number * share * (1 - share))
    low, high = math.floor(number * share - half), math.ceil(number * share + half)
    if low < 1 or high > number - 1:
        return None, None
    return ordered[low - 1], ordered[high]


def _rates(step: Step, requests: Sequence[Request]) -> Iterator[Figure]:
    whole = [each for each in requests if not each.error]
    tokens = sum(each.num_completion_tokens for each in whole)
    begun = min((each.scheduled_s for each in requests), default=0.0)
    span = max((each.end_s for each in whole), default=0.0) - begun
    yield _per_second("output_tokens_per_second", "tokens/s", tokens, span if whole else 0.0, step.step)
    yield _per_second("requests_per_second", "1/s", len(whole), step.duration_s, step.step)
    if step.loop is Loop.OPEN and step.schedule_s:
        yield _per_second("offered_rate", "1/s", len(requests), step.schedule_s, step.step, better=None)


def _per_second(
    name: str, unit: str, amount: float, seconds: float, group: str, *, better: bool | None = True
) -> Figure:
    if seconds <= 0:
        return not_measured(name, unit, _NO_ANSWER, group=group, higher_is_better=better)
    return Figure(name, amount / seconds, unit, group, num_samples=int(amount), higher_is_better=better)


def _goodput(step: Step, requests: Sequence[Request], limits: Limits) -> Iterator[Figure]:
    yield from _kept(step, requests, limits, step.step)
    classes = sorted({each.priority for each in requests})
    if len(classes) > 1:
        for each in classes:
            of_class = [request for request in requests if request.priority == each]
            group = f"{step.step}/{each or 'default'}"
            yield from _spread("ttft", [one.ttft_s for one in of_class if one.ttft_s is not None], group)
            yield from _spread("e2e", [one.e2e_s for one in of_class if one.e2e_s is not None], group)
            yield from _kept(step, of_class, limits, group)


def _kept(step: Step, requests: Sequence[Request], limits: Limits, group: str) -> Iterator[Figure]:
    met = sum(map(limits.met, requests))
    yield _per_second("goodput", "1/s", met, step.duration_s, group)
    if requests:
        found = wilson_interval(met, len(requests))
        yield of_interval("attainment", "", found, group=group, higher_is_better=True)


def attainment(requests: Sequence[Request], limits: Limits) -> float:
    """The share that met all limits; 0 of none."""
    return sum(map(limits.met, requests)) / len(requests) if requests else 0.0


def _errors(requests: Sequence[Request], group: str) -> Iterator[Figure]:
    codes = Counter(each.error for each in requests if each.error)
    yield Figure("errors", sum(codes.values()), "", group, None, None, len(requests), False)
    for code, number in sorted(codes.items()):
        said = next(each.message for each in requests if each.error == code)
        yield Figure(f"errors.{code}", number, "", group, None, None, len(requests), False, said)


def _cached(requests: Sequence[Request], group: str) -> Figure:
    told = [each for each in requests if each.num_cached_tokens is not None and each.num_prompt_tokens]
    prompt = sum(each.num_prompt_tokens or 0 for each in told)
    if not prompt:
        return not_measured("cached_tokens_share", "", "the server does not tell", group=group)
    cached = sum(each.num_cached_tokens or 0 for each in told)
    return Figure("cached_tokens_share", cached / prompt, "", group, num_samples=len(told))


def _client(step: Step, requests: Sequence[Request]) -> Iterator[Figure]:
    group = step.step
    lags = _lags(step, requests)
    if step.loop is Loop.OPEN and lags:
        for name, percent in (("p50", 50), ("p99", 99), ("max", 100)):
            value = percentile(lags, percent)
            yield Figure(
                f"schedule_lag.{name}", value, "s", group, num_samples=len(lags), higher_is_better=False
            )
    if step.loop_lags_s:
        value = percentile(step.loop_lags_s, 99)
        number = len(step.loop_lags_s)
        yield Figure("loop_lag.p99", value, "s", group, num_samples=number, higher_is_better=False)
    yield Figure("client_cpu_share", cpu_share(step), "", group, higher_is_better=False)
    yield Figure("in_flight.max", step.most_in_flight, "", group)
    why = bottleneck(step, requests)
    yield Figure("client_bottleneck", float(bool(why)), "", group, higher_is_better=False, note=why)


def _lags(step: Step, requests: Sequence[Request]) -> list[float]:
    return [] if step.loop is Loop.CLOSED else [each.lag_s for each in requests if each.lag_s is not None]


def cpu_share(step: Step) -> float:
    """The client's CPU time per second of the step; 0 of a step that took no time."""
    return step.client_cpu_s / step.duration_s if step.duration_s > 0 else 0.0


def bottleneck(step: Step, requests: Sequence[Request]) -> str:
    """Why the client was the bottleneck; "" when it was not."""
    reasons = []
    if (share := cpu_share(step)) > MAX_CPU_SHARE:
        reasons.append(f"the client used {share:.0%} of a core")
    if (lags := _lags(step, requests)) and (worst := percentile(lags, 99)) > MAX_LAG_S:
        reasons.append(f"requests were sent up to {1000 * worst:.0f} ms late (p99)")
    if step.loop_lags_s and (worst := percentile(step.loop_lags_s, 99)) > MAX_LAG_S:
        reasons.append(f"the client's loop was up to {1000 * worst:.0f} ms late (p99)")
    return " and ".join(reasons)
