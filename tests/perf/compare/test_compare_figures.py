import pytest
from msgspec.structs import replace

from perf.compare.compare_figures import summary
from perf.compare.compare_samples import ECHO, ArrivalsSample, Costs, DecodeSample, MixedSample, SoloSample
from perf.record.result_schema import Figure


def decode(round_: int, target: str, rate: float | None) -> DecodeSample:
    return DecodeSample(
        round=round_,
        position=0,
        target=target,
        costs=Costs(wall_s=2.0, client_cpu_s=0.1),
        num_streams=4,
        decode_tokens_per_second=rate,
        output_tokens_per_second=(rate or 8.0) / 2,
        overlapping=rate is not None,
        ttft_s=[0.1, 0.3],
        itl_p50_s=0.01,
        itl_p99_s=0.02,
        worst_gap_s=0.03,
        num_tokens=100,
    )


def mixed(round_: int, target: str, gap: float) -> MixedSample:
    return MixedSample(
        round=round_,
        position=0,
        target=target,
        costs=Costs(wall_s=2.0, client_cpu_s=0.1, server_cpu_s=1.0),
        prompt_tokens=1500,
        worst_gap_s=gap,
        ttft_s=3.0,
        alone_ttft_s=2.0,
        answered_s=4.0,
        timelines=[[0.1]],
        num_tokens=10,
        decode_step_s=0.02,
    )


def found(figures: list[Figure], name: str, group: str) -> Figure:
    (figure,) = [each for each in figures if (each.name, each.group) == (name, group)]
    return figure


def test_ratios_are_of_paired_rounds() -> None:
    samples = [decode(0, "ours", 20.0), decode(0, "b", 10.0), decode(1, "ours", 40.0), decode(1, "b", 20.0)]
    samples += [decode(2, "ours", 1000.0)]  # the peer was lost
    figure = found(summary(samples, "ours"), "decode_ratio", "b/decode-4")
    assert figure.value == pytest.approx(2.0)
    assert [figure.low, figure.high] == pytest.approx([2.0, 2.0])
    assert figure.num_samples == 2
    assert figure.higher_is_better


def test_a_peer_that_was_lost_before_the_first_pair_has_a_ratio_that_says_so() -> None:
    figure = found(
        summary([decode(0, "ours", 20.0), decode(1, "b", 10.0)], "ours"), "decode_ratio", "b/decode-4"
    )
    assert figure.value is None
    assert "no round has both" in figure.note


def test_middles_of_each_target() -> None:
    figures = summary([decode(each, "ours", rate) for each, rate in enumerate([1.0, 9.0, 2.0])], "ours")
    assert found(figures, "decode_tokens_per_second", "ours/decode-4").value == 2.0
    assert found(figures, "ttft", "ours/decode-4").value == pytest.approx(0.2)
    assert found(figures, "client_cpu_share", "ours/decode-4").value == pytest.approx(0.05)
    assert not [each for each in figures if each.name == "server_cpu_per_token"]


def test_what_a_server_and_the_wire_cost() -> None:
    costs = Costs(1.0, 0.1, 0.5, {"server": 3, "worker": 4}, 700, 300)
    figures = summary([replace(decode(0, "ours", 1.0), costs=costs)], "ours")
    assert found(figures, "server_cpu_per_token", "ours/decode-4").value == pytest.approx(0.005)
    assert found(figures, "pss_bytes", "ours/decode-4").value == 7
    assert found(figures, "wire_bytes_per_token", "ours/decode-4").value == 10


def test_the_mixed_load_has_gaps_and_no_cost_per_token() -> None:
    figures = summary([mixed(0, "ours", 0.1), mixed(0, "b", 5.0)], "ours")
    assert found(figures, "worst_gap_ratio", "b/mixed").value == pytest.approx(0.02)
    assert found(figures, "worst_gap_seconds", "b/mixed").value == 5.0
    assert not [each for each in figures if "cpu_per_token" in each.name]


def test_a_gap_of_nothing_makes_no_ratio() -> None:
    figures = summary([mixed(0, "ours", 0.1), mixed(0, "b", 0.0)], "ours")
    assert not [each for each in figures if each.name == "worst_gap_ratio"]


def test_streams_that_never_all_ran_have_the_other_ratios() -> None:
    figures = summary([decode(0, "ours", 20.0), decode(0, "b", None)], "ours")
    rate = found(figures, "decode_ratio", "b/decode-4")
    assert rate.value is None
    assert "the streams of b did not all run at the same time" in rate.note
    assert found(figures, "output_ratio", "b/decode-4").value == pytest.approx(2.5)
    assert found(figures, "itl_p50_ratio", "b/decode-4").value == pytest.approx(1.0)


def test_a_gap_is_judged_by_the_streams_own_step() -> None:
    slow = replace(mixed(0, "b", 0.9), decode_step_s=0.2)
    figures = summary([mixed(0, "ours", 0.3), slow], "ours")
    assert found(figures, "gap_bound_ratio", "ours/mixed").value == pytest.approx(0.3 / 0.150)
    assert found(figures, "gap_bound_ratio", "b/mixed").value == pytest.approx(0.9 / 0.6)
    assert found(figures, "ttft_to_alone", "ours/mixed").value == pytest.approx(1.5)


def test_what_the_serving_process_costs_beyond_grpc() -> None:
    spent = [replace(decode(0, name, 20.0), costs=Costs(2.0, 0.1, front_cpu_s=cpu))
             for name, cpu in (("ours", 0.03), (ECHO, 0.02))]  # fmt: skip
    figures = summary(spent, "ours")
    assert found(figures, "front_cpu_over_echo", "ours/decode-4").value == pytest.approx(0.0001)
    assert not [each for each in figures if each.name.endswith("_ratio")]  # the echo is no peer


def arrivals(target: str, interval_s: float, ttft: float) -> ArrivalsSample:
    return ArrivalsSample(
        round=0,
        position=0,
        target=target,
        costs=Costs(wall_s=2.0, client_cpu_s=0.1),
        num_requests=4,
        interval_s=interval_s,
        ttft_s=[ttft, 2 * ttft],
        worst_gap_s=0.1,
        output_tokens_per_second=10.0,
        num_tokens=20,
    )


def test_bursts_and_staggered_callers_are_loads_of_their_own() -> None:
    figures = summary([arrivals(name, each, ttft) for each in (0.0, 2.0)
                       for name, ttft in (("ours", 1.0), ("b", 2.0))], "ours")  # fmt: skip
    for load in ("burst-4", "staggered"):
        assert found(figures, "ttft_ratio", f"b/{load}").value == pytest.approx(0.5)
        assert found(figures, "output_ratio", f"b/{load}").value == pytest.approx(1.0)
        assert found(figures, "worst_gap_ratio", f"b/{load}").value == pytest.approx(1.0)


def test_one_caller_has_ratios_of_ttft_gap_and_rate() -> None:
    solo = SoloSample(
        round=0, position=0, target="ours", costs=Costs(1.0, 0.1), prompt_tokens=200,
        ttft_s=0.5, itl_p50_s=0.01, decode_tokens_per_second=100.0, num_tokens=48,
    )  # fmt: skip
    figures = summary([solo, replace(solo, target="b", ttft_s=1.0)], "ours")
    assert found(figures, "ttft_ratio", "b/solo-200").value == pytest.approx(0.5)
    assert {"itl_p50_ratio", "decode_ratio"} <= {each.name for each in figures}
