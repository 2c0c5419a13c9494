"""The steps of a run, from its options."""

import zlib
from collections.abc import Sequence
from pathlib import Path

from perf.data.traces import TraceRequest
from perf.load import classes, lengths
from perf.load.arrivals import schedule
from perf.load.classes import Class
from perf.load.options import Options
from perf.load.samples import Loop
from perf.load.step import Plan
from perf.load.workload import Drawn, Source, Traced

SHORTEST_PROMPT = 16
"""Tokens: the number that tells prompts apart and a word or two."""


def source(options: Options, trace: Sequence[TraceRequest]) -> Source:
    """Where the requests' shapes come from. Raises ValueError for lengths or a mix that make no sense."""
    if trace:
        return Traced(trace, Class(options.priority, 1.0, options.deadline_s))
    shortest = SHORTEST_PROMPT + options.shared_prefix
    return Drawn(
        lengths.parse(options.prompt, shortest),
        lengths.parse(options.output),
        _classes(options),
        options.seed,
    )


def _classes(options: Options) -> tuple[Class, ...]:
    if options.mix:
        return classes.parse(options.mix)
    return (Class(options.priority, 1.0, options.deadline_s),)


def steps(options: Options, trace: Sequence[TraceRequest]) -> list[Plan]:
    """The sweep in order: closed, open, the trace's own arrivals. Raises ValueError for too many arrivals."""
    found = [_closed(options, level, trace) for level in options.concurrency]
    found += [rate_step(options, rate, "rate") for rate in options.rates]
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


def rate_step(options: Options, rate: float, kind: str) -> Plan:
    """An open step; its arrivals follow from the seed and the rate."""
    name = f"{kind}={rate:g}"
    times = schedule(
        rate,
        seed=zlib.crc32(f"{options.seed}/{rate:g}".encode()),
        burstiness=options.burstiness,
        duration_s=options.duration_s,
        num_requests=options.num_requests,
    )
    # A schedule that ends by its number of requests has no length of its own: the last arrival's.
    length = options.duration_s if options.num_requests is None else times[-1] if times else None
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
