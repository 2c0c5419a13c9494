"""From what a client saw to a sample."""

from itertools import pairwise
from typing import NamedTuple

from perf.compare.commands import Command, Decode, Mixed, Seen, SharedPrefix
from perf.compare.samples import Costs, DecodeSample, MixedSample, Sample, SharedPrefixSample
from perf.serving.workload import LONG_PROMPT_TOKENS, SYSTEM_PROMPT_TOKENS
from perf.streams import Stream, inter_token_latencies, percentile, steady_rate

MARGIN_S = 1.0


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
        case Mixed():
            return _mixed(command, seen, turn, costs)
        case SharedPrefix():
            return _shared(seen, turn, costs)


def _decode(command: Decode, seen: Seen, turn: Turn, costs: Costs) -> DecodeSample:
    streams = seen.streams
    rate, overlapping = decode_rate(streams)
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
        overlapping=overlapping,
        ttft_s=[stream.time_to_first_token for stream in streams],
        itl_p50_s=percentile(gaps, 50),
        itl_p99_s=percentile(gaps, 99),
        worst_gap_s=max(gaps),
        num_tokens=tokens,
        ended_early=sum(stream.num_tokens < command.num_tokens for stream in streams),
    )


def decode_rate(streams: list[Stream]) -> tuple[float, bool]:
    """Tokens a second of all streams while all decode, and True.

    Of a server that takes one after another, the rate of the stream under way, and False. Raises
    ValueError when no stream has two arrivals.
    """
    try:
        return steady_rate(streams), True
    except ValueError:
        spans = [stream.last_at - stream.first_at for stream in streams]
        tokens = sum(stream.num_tokens - stream.arrivals[0].num_tokens for stream in streams)
        if not (busy := sum(spans)):
            raise
        return tokens / busy, False


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
    )


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
