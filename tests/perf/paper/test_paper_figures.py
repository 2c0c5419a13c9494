import math

import pytest

from perf.meter.reading import Reading
from perf.paper.paper_figures import figures
from perf.paper.paper_samples import Sample, Skipped
from perf.record.result_schema import Figure
from tests.perf.paper.playing import started, turn


def by_name(*samples: Sample) -> dict[str, Figure]:
    found = figures("m", samples)
    assert len({each.name for each in found}) == len(found)
    assert {each.group for each in found} == {"m"}
    assert all(each.value is not None or each.note for each in found)
    return {each.name: each for each in found}


def test_rates_are_of_sums_and_leave_out_cached_and_first_tokens() -> None:
    slow = turn("second", 0, prefill_s=1.5, decode_s=6.0, end_s=7.5, ttft_s=1.5)
    found = by_name(started(), turn(), slow)
    assert found["prefill_tokens_per_second"].value == pytest.approx(100 / 2.0)
    assert found["decode_tokens_per_second"].value == pytest.approx(40 / 8.0)
    assert found["seconds_per_token"].value == pytest.approx(10.0 / 42)
    assert found["cached_tokens_share"].value == pytest.approx(0.5)
    assert (found["ttft.p50"].value, found["ttft.p95"].value) == (0.5, 1.5)
    decode = found["decode_tokens_per_second"]
    assert decode.low == pytest.approx(20 / 6)
    assert decode.high == pytest.approx(10)
    assert decode.num_samples == 2


def test_stability_is_the_variation_of_the_turns_own_rates() -> None:
    found = by_name(
        started(),
        turn(number=0),
        turn(number=1, decode_s=4.0, prefill_s=0.5),
        turn(number=2, num_completion_tokens=15, num_cached_tokens=69, decode_s=100.0, prefill_s=100.0),
    )
    assert found["decode_cv"].value == pytest.approx(math.sqrt(2 * 2.5**2) / 7.5)
    assert found["prefill_cv"].value == 0.0
    assert (found["decode_cv"].num_samples, found["prefill_cv"].num_samples) == (2, 2)
    assert "at least 16 tokens generated" in found["decode_cv"].note


def test_one_turn_says_nothing_of_stability() -> None:
    found = by_name(started(), turn())
    assert found["decode_cv"].value is None
    assert "fewer than two turns" in found["decode_cv"].note


def test_memory_and_cpu() -> None:
    small = Reading(wall_s=2.5, cpu_s=1.0, rss_bytes=10, pss_bytes=10)
    found = by_name(started(load_s=1.5), turn(), turn(number=1, reading=small))
    assert (found["peak_rss_bytes"].value, found["peak_pss_bytes"].value) == (300, 250)
    assert found["memory_share"].value == 0.25
    assert found["cpu_share"].value == pytest.approx(5.0 / (5.0 * 2))
    assert found["load_seconds"].value == 1.5


def test_what_has_no_meter_says_why_and_is_never_a_number() -> None:
    blind = Reading(wall_s=1.0, cpu_s=1.0, rss_bytes=1)
    reasons = {"pss": "no PSS", "temperature": "no sensor", "throttling": "no Pi", "energy": "no RAPL"}
    found = by_name(started(not_measured=reasons), turn(reading=blind))
    for name, why in {
        "peak_pss_bytes": "no PSS",
        "memory_share": "no PSS",
        "temperature.max": "no sensor",
        "throttled": "no Pi",
        "energy_per_token.gross": "no RAPL",
        "energy_per_token.net": "no RAPL",
    }.items():
        assert found[name].value is None
        assert found[name].note == f"not measured: {why}"


def metered(joules: float | None) -> Reading:
    return Reading(
        wall_s=2.0, cpu_s=1.0, rss_bytes=1, temperature_c=61.0, throttled=joules is None, energy_j=joules
    )


def test_energy_is_gross_and_with_the_idle_power_subtracted() -> None:
    found = by_name(
        started(idle_w=3.0, energy_meter="PMIC"),
        turn(reading=metered(20.0)),
        turn(number=1, reading=metered(22.0)),
    )
    assert found["energy_per_token.gross"].value == pytest.approx(42 / 42)
    assert found["energy_per_token.net"].value == pytest.approx((42 - 3.0 * 4.0) / 42)
    assert (found["temperature.max"].value, found["throttled"].value) == (61.0, 0.0)


def test_energy_of_half_a_run_is_no_energy() -> None:
    found = by_name(started(idle_w=3.0), turn(reading=metered(20.0)), turn(number=1, reading=metered(None)))
    assert found["energy_per_token.gross"].value is None
    assert "did not last" in found["energy_per_token.gross"].note
    assert found["throttled"].value == 1.0


def test_a_model_is_only_its_own_samples() -> None:
    found = by_name(started(), turn(), turn(model="other", number=1), Skipped("m", "first", 1, "too long"))
    assert (found["num_turns"].value, found["num_skipped_turns"].value) == (1, 1)
    assert figures("nobody", [started(), turn()]) == []
