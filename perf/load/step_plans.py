"""The steps of a run, from its options."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from perf.data.traces import TraceRequest
from perf.load import request_classes, token_lengths
from perf.load.arrivals import schedule
from perf.load.load_samples import Loop
from perf.load.load_step import Plan
from perf.load.request_classes import Class
from perf.load.request_supply import Drawn, Source, Traced
from perf.load.run_options import Options

SHORTEST_PROMPT = 16
"""Tokens: the number that tells prompts apart and a word or two."""
MIN_PROBE_REQUESTS = 20
"""One miss of 20 is 95 %: with fewer a probe could not tell."""


def source(options: Options, trace: Sequence[TraceRequest]) -> Source:
    """Where the requests' shapes come from. Raises ValueError for lengths or a mix that make no sense."""
    if trace:
        return Traced(trace, Class(options.priority, 1.0, options.deadline_s))
    shortest = SHORTEST_PROMPT + options.shared_prefix
    with naming("--prompt-tokens"):
        prompt = token_lengths.parse(options.prompt, shortest)
    with naming("--output-tokens"):
        output = token_lengths.parse(options.output)
    with naming("--mix"):
        mixed = _classes(options)
    return Drawn(prompt, output, mixed, options.seed)


@contextmanager
def naming(option: str) -> Iterator[None]:
    """A ValueError of the block says which option it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from error


def _classes(options: Options) -> tuple[Class, ...]:
    if options.mix:
        return request_classes.parse(options.mix)
    return (Class(options.priority, 1.0, options.deadline_s),)


def steps(options: Options, trace: Sequence[TraceRequest]) -> list[Plan]:
    """The sweep in order: closed, open, the trace's own arrivals. Raises ValueError for too many arrivals."""
    found = [_closed(options, level, trace) for level in options.concurrency]
    found += [rate_step(options, rate) for rate in options.rates]
    if options.replay:
        found.append(_replay(options, trace))
    return found


def _closed(options: Options, concurrency: int, trace: Sequence[TraceRequest]) -> Plan:
    num_requests = options.num_requests
    if num_requests is None and options.duration_s is None:
        num_requests = len(trace)
    return Plan(
        name=f"concurrency={concurrency}",
        loop=Loop.CLOSED,
        level=concurrency,
        num_requests=num_requests,
        duration_s=options.duration_s,
    )


def rate_step(options: Options, rate: float) -> Plan:
    """An open step of the sweep. Raises ValueError when nothing arrives in it."""
    with naming("--rate"):
        times = _times(options, rate, options.duration_s, options.num_requests)
    if not times:
        raise ValueError(f"--rate {rate:g}: nothing arrives within {options.duration_s:g} s")
    return _open(f"rate={rate:g}", rate, times, options.duration_s)


def probe_step(options: Options, rate: float) -> Plan:
    """An open step of the search: MIN_PROBE_REQUESTS at least, however long their arrival takes."""
    times = _times(options, rate, options.duration_s, options.num_requests)
    duration_s = options.duration_s
    if len(times) < MIN_PROBE_REQUESTS and options.num_requests is None:
        times, duration_s = _times(options, rate, None, MIN_PROBE_REQUESTS), None
    return _open(f"find={rate:g}", rate, times, duration_s)


def _times(options: Options, rate: float, duration_s: float | None, num_requests: int | None) -> list[float]:
    return schedule(
        rate,
        seed=zlib.crc32(f"{options.seed}/{rate:g}".encode()),
        burstiness=options.burstiness,
        duration_s=duration_s,
        num_requests=num_requests,
    )


def _open(name: str, rate: float, times: Sequence[float], duration_s: float | None) -> Plan:
    # A schedule that ends by its number of requests has no length of its own: the last arrival's.
    length = times[-1] if duration_s is None else duration_s
    return Plan(name=name, loop=Loop.OPEN, level=rate, times=times, schedule_s=length)


def _replay(options: Options, trace: Sequence[TraceRequest]) -> Plan:
    times = [request.at for request in trace if request.at is not None]
    if options.duration_s is not None:
        times = [at for at in times if at < options.duration_s]
    times = times[: options.num_requests]
    return Plan(
        name="trace", loop=Loop.OPEN, level=None, times=times, schedule_s=times[-1] if times else None
    )


def trace_name(path: Path | None) -> str:
    """Without the machine's folders."""
    return "" if path is None else path.name
