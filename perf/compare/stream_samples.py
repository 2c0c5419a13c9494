"""From what a client saw to a sample."""

import statistics
from itertools import pairwise
from typing import NamedTuple

from perf.callers.load_commands import Arrivals, Command, Decode, Mixed, Prime, Seen, SharedPrefix, Solo
from perf.callers.prompt_texts import LONG_PROMPT_TOKENS, SYSTEM_PROMPT_TOKENS
from perf.compare.compare_samples import (
    ArrivalsSample,
    Costs,
    DecodeSample,
    MixedSample,
    Sample,
    SharedPrefixSample,
    SoloSample,
)
from perf.stream_figures import Stream, inter_token_latencies, percentile, steady_rate, steady_window

MARGIN_S = 1.0
MIN_STEADY_GAPS = 8


class Turn(NamedTuple):
    """Whose turn it was: `position` counts in the round's order, from 0."""

    round: int
    position: int
    target: str


def sample_of(command: Command, seen: Seen, turn: Turn, costs: Costs) -> Sample:
    """Raises ValueError when the streams say nothing: an answer of one token where a rate is asked for."""
    match command:
        case Decode():
            return _decode(command, seen, turn, costs)
        case Solo():
            return _solo(command, seen, turn, costs)
        case Arrivals():
            return _arrivals(command, seen, turn, costs)
        case Mixed():
            return _mixed(command, seen, turn, costs)
        case SharedPrefix():
            return _shared(seen, turn, costs)
        case Prime():
            raise ValueError("nothing is measured of prompts that are only computed")


def _decode(command: Decode, seen: Seen, turn: Turn, costs: Costs) -> DecodeSample:
    streams = seen.streams
    rate = decode_rate(streams)
    gaps = inter_token_latencies(streams)
    tokens = sum(stream.num_tokens for stream in streams)
    return DecodeSample(
        round=turn.round,
        position=turn.position,
        target=turn.target,
        costs=costs,
        num_streams=len(streams),
        decode_tokens_per_second=rate,
        output_tokens_per_second=tokens / costs.wall_s,
        overlapping=rate is not None,
        ttft_s=[stream.time_to_first_token for stream in streams],
        itl_p50_s=typical_gap(streams),
        itl_p99_s=percentile(gaps, 99),
        worst_gap_s=max(gaps),
        num_tokens=tokens,
        ended_early=sum(stream.num_tokens < command.num_tokens for stream in streams),
        num_arrivals=sum(len(stream.arrivals) for stream in streams),
    )


def decode_rate(streams: list[Stream]) -> float | None:
    """Tokens a second of all streams while all of them run; None where that was hardly any time.

    A rate over a few gaps would be noise, and that of one stream under way another figure: neither
    compares with what a server does whose streams all run.
    """
    start, end = steady_window(streams)
    gaps = min(sum(start <= each.at <= end for each in stream.arrivals) - 1 for stream in streams)
    return steady_rate(streams) if gaps >= MIN_STEADY_GAPS else None


def typical_gap(streams: list[Stream]) -> float:
    """The middle gap of each stream, and of those the middle one, seconds. Raises ValueError without any."""
    gaps = [found for stream in streams if (found := stream.gaps())]
    if not gaps:
        raise ValueError("no stream brought more than one token")
    return statistics.median(map(statistics.median, gaps))


def _solo(command: Solo, seen: Seen, turn: Turn, costs: Costs) -> SoloSample:
    (stream,) = seen.streams
    return SoloSample(
        round=turn.round,
        position=turn.position,
        target=turn.target,
        costs=costs,
        prompt_tokens=command.prompt_tokens,
        ttft_s=stream.time_to_first_token,
        itl_p50_s=typical_gap([stream]),
        decode_tokens_per_second=steady_rate([stream]),
        num_tokens=stream.num_tokens,
    )


def _arrivals(command: Arrivals, seen: Seen, turn: Turn, costs: Costs) -> ArrivalsSample:
    streams = seen.streams
    tokens = sum(stream.num_tokens for stream in streams)
    return ArrivalsSample(
        round=turn.round,
        position=turn.position,
        target=turn.target,
        costs=costs,
        num_requests=len(streams),
        interval_s=command.interval_s,
        ttft_s=[stream.time_to_first_token for stream in streams],
        worst_gap_s=max(inter_token_latencies(streams)),
        output_tokens_per_second=tokens / costs.wall_s,
        num_tokens=tokens,
    )


def _mixed(command: Mixed, seen: Seen, turn: Turn, costs: Costs) -> MixedSample:
    alone, newcomer = seen.single
    return MixedSample(
        round=turn.round,
        position=turn.position,
        target=turn.target,
        costs=costs,
        prompt_tokens=LONG_PROMPT_TOKENS,
        worst_gap_s=max(longest_wait(stream, newcomer, command.running_tokens) for stream in seen.streams),
        ttft_s=newcomer.time_to_first_token,
        alone_ttft_s=alone.time_to_first_token,
        answered_s=newcomer.last_at - newcomer.sent,
        timelines=[timeline(stream, newcomer) for stream in seen.streams],
        num_tokens=sum(stream.num_tokens for stream in (*seen.streams, *seen.single)),
        decode_step_s=pace_before(seen.streams, newcomer.sent),
    )


def pace_before(streams: list[Stream], end: float) -> float | None:
    """The middle gap of all streams from when each runs up to `end`, seconds; None without any."""
    if not all(stream.arrivals for stream in streams):
        return None
    start = max(stream.first_at for stream in streams)
    inside = [[each.at for each in stream.arrivals if start <= each.at <= end] for stream in streams]
    gaps = [b - a for times in inside for a, b in pairwise(times)]
    return statistics.median(gaps) if gaps else None


def longest_wait(stream: Stream, newcomer: Stream, num_tokens: int) -> float:
    """The longest pause of a stream that overlaps the newcomer's time, seconds.

    A stream without a token waits since it was sent; one that has not got its `num_tokens` waits on.
    """
    start, end = newcomer.sent, newcomer.last_at
    times = [stream.sent, *(arrival.at for arrival in stream.arrivals)]
    if stream.num_tokens < num_tokens:
        times.append(max(end, times[-1]))
    return max((b - a for a, b in pairwise(times) if b > start and a < end), default=0.0)


def timeline(stream: Stream, newcomer: Stream) -> list[float]:
    """Arrivals around the newcomer, in seconds from its sending."""
    start, end = newcomer.sent - MARGIN_S, newcomer.last_at + MARGIN_S
    return [round(each.at - newcomer.sent, 6) for each in stream.arrivals if start <= each.at <= end]


def _shared(seen: Seen, turn: Turn, costs: Costs) -> SharedPrefixSample:
    (cold,) = seen.single
    return SharedPrefixSample(
        round=turn.round,
        position=turn.position,
        target=turn.target,
        costs=costs,
        prefix_tokens=SYSTEM_PROMPT_TOKENS,
        cold_ttft_s=cold.time_to_first_token,
        ttft_s=[stream.time_to_first_token for stream in seen.streams],
        num_tokens=sum(stream.num_tokens for stream in (*seen.streams, cold)),
    )
