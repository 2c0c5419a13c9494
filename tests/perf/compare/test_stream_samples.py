import pytest

from perf.callers.load_commands import Arrivals, Decode, Mixed, Seen, SharedPrefix, Solo
from perf.compare.compare_samples import (
    ArrivalsSample,
    Costs,
    DecodeSample,
    MixedSample,
    SharedPrefixSample,
    SoloSample,
)
from perf.compare.stream_samples import Turn, decode_rate, longest_wait, pace_before, sample_of, typical_gap
from perf.stream_figures import Arrival, Stream

TURN = Turn(2, 1, "ours")


def costs(wall_s: float) -> Costs:
    return Costs(wall_s=wall_s, client_cpu_s=0.01)


def stream(sent: float, *times: float) -> Stream:
    return Stream(sent, [Arrival(at, 1) for at in times])


def steady(first: float, gap: float, num_tokens: int) -> Stream:
    return stream(0.0, *(first + gap * number for number in range(num_tokens)))


def test_rates_and_waits_of_steady_streams() -> None:
    streams = [steady(1.0, 0.5, 10), steady(1.2, 0.5, 10)]
    sample = sample_of(Decode(["a", "b"], 10), Seen(streams, [], 0.01), TURN, costs(5.7))
    assert isinstance(sample, DecodeSample)
    assert sample.overlapping
    assert sample.decode_tokens_per_second == pytest.approx(4.0)
    assert sample.output_tokens_per_second == pytest.approx(20 / 5.7)
    assert sample.ttft_s == [1.0, 1.2]
    assert sample.itl_p50_s == pytest.approx(0.5)
    assert sample.num_arrivals == 20
    assert sample.worst_gap_s == pytest.approx(0.5)
    assert (sample.round, sample.position, sample.target, sample.ended_early) == (2, 1, "ours", 0)


def test_streams_that_never_all_run_have_no_decode_rate() -> None:
    streams = [stream(0.0, 1.0, 1.5, 2.0), stream(0.0, 3.0, 3.5, 4.0)]
    sample = sample_of(Decode(["a", "b"], 9), Seen(streams, [], 0.01), TURN, costs(4.0))
    assert isinstance(sample, DecodeSample)
    assert not sample.overlapping
    assert sample.decode_tokens_per_second is None
    assert sample.output_tokens_per_second == pytest.approx(6 / 4.0)
    assert sample.itl_p50_s == pytest.approx(0.5)
    assert sample.ended_early == 2


def test_a_rate_over_a_few_common_tokens_is_none() -> None:
    streams = [steady(0.0, 0.1, 30), steady(2.5, 0.1, 30)]
    assert decode_rate(streams) is None


def test_the_middle_of_the_streams_gaps_is_not_moved_by_one_slow_stream() -> None:
    assert typical_gap([steady(0.0, 0.1, 9), steady(0.0, 0.1, 9), steady(0.0, 5.0, 9)]) == pytest.approx(0.1)


def test_one_token_makes_no_rate() -> None:
    with pytest.raises(ValueError, match="more than one token"):
        sample_of(Decode(["a"], 1), Seen([stream(0.0, 1.0)], [], 0.0), TURN, costs(1.0))


def test_the_newcomer_and_what_it_does_to_the_others() -> None:
    running = [stream(0.0, 1.0, 9.5, 10.4, 12.9, 13.0, 15.5), stream(0.0, 1.0, 10.1, 12.0, 15.0)]
    alone, newcomer = stream(-5.0, -2.0), stream(10.0, 13.0, 14.0)
    command = Mixed("alone", "new", ["a", "b"], 100)
    sample = sample_of(command, Seen(running, [alone, newcomer], 0.0), TURN, costs(9.0))
    assert isinstance(sample, MixedSample)
    assert sample.ttft_s == 3.0
    assert sample.alone_ttft_s == 3.0
    assert sample.answered_s == 4.0
    assert sample.worst_gap_s == pytest.approx(9.1)  # the second stream's, begun before
    assert sample.timelines[0] == pytest.approx([-0.5, 0.4, 2.9, 3.0])
    assert sample.timelines[1] == pytest.approx([0.1, 2.0, 5.0])


def test_waits_that_overlap_the_newcomer() -> None:
    newcomer = stream(10.0, 11.0)
    assert longest_wait(stream(0.0, 1.0, 2.0), newcomer, 2) == 0.0  # was done before
    assert longest_wait(stream(0.0, 1.0, 2.0), newcomer, 3) == pytest.approx(9.0)  # still waits
    assert longest_wait(stream(0.0, 10.5, 10.7), newcomer, 2) == pytest.approx(10.5)  # had not begun
    assert longest_wait(stream(0.0, 9.0, 11.5), newcomer, 2) == pytest.approx(2.5)


def test_the_pace_of_streams_before_the_newcomer() -> None:
    streams = [stream(0.0, 1.0, 1.1, 1.2, 4.0), stream(0.0, 1.1, 1.3, 1.6, 4.0)]
    assert pace_before(streams, 2.0) == pytest.approx(0.2)  # 0.1, 0.2 and 0.3: from when both run
    assert pace_before([*streams, stream(0.0)], 2.0) is None
    assert pace_before(streams, 1.1) is None


def test_one_caller() -> None:
    seen = Seen([steady(0.5, 0.25, 5)], [], 0.0)
    sample = sample_of(Solo("a", 5, 200), seen, TURN, costs(1.5))
    assert isinstance(sample, SoloSample)
    assert (sample.prompt_tokens, sample.ttft_s, sample.num_tokens) == (200, 0.5, 5)
    assert sample.itl_p50_s == pytest.approx(0.25)
    assert sample.decode_tokens_per_second == pytest.approx(4.0)


def test_callers_who_arrive() -> None:
    seen = Seen([stream(0.0, 1.0, 1.1), stream(2.0, 2.5, 4.0)], [], 0.0)
    sample = sample_of(Arrivals(["a", "b"], 2, 2.0), seen, TURN, costs(4.0))
    assert isinstance(sample, ArrivalsSample)
    assert sample.ttft_s == [1.0, 0.5]
    assert sample.worst_gap_s == pytest.approx(1.5)
    assert sample.output_tokens_per_second == pytest.approx(1.0)
    assert (sample.num_requests, sample.interval_s) == (2, 2.0)


def test_callers_of_one_prefix() -> None:
    seen = Seen([stream(2.0, 2.5, 2.6), stream(2.0, 2.7, 2.8)], [stream(0.0, 1.0, 1.1)], 0.0)
    sample = sample_of(SharedPrefix("a", ["b", "c"], 2), seen, TURN, costs(2.8))
    assert isinstance(sample, SharedPrefixSample)
    assert sample.cold_ttft_s == 1.0
    assert sample.ttft_s == pytest.approx([0.5, 0.7])
    assert sample.num_tokens == 6
