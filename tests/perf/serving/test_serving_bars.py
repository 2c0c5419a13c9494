from perf.bar_table import Sample
from perf.callers.prompt_texts import STREAMS
from perf.record.result_schema import Figure
from perf.serving import serving_bars
from perf.serving.compared_loads import PARTS

OTHERS = ("decode", "prefix", "cancel", "abort", "footprint", "long")


def shown(rows: list[Figure]) -> list[float]:
    return [each.bar for each in rows if each.bar is not None]


def test_every_row_of_the_loads_has_its_bar() -> None:
    rows = serving_bars.rows([], STREAMS, PARTS, is_default=False)
    assert shown(rows) == [
        *(1.02, 1.02, 1.0, 0.75, 1.0, 0.75, 1.0, 0.1, 1.0, 1.3),
        *(1.0, 1.1, 1.05, 40, 40, 40),
    ]


def test_every_other_row_has_its_bar() -> None:
    rows = serving_bars.rows([], STREAMS, OTHERS, is_default=False)
    assert shown(rows) == [0.98, 0.98, 0.98, 0.97, 0.97, 0.95, 0.25, 1, 20, 150, 4.0, 1.15, 1.15, 1.15]


def test_the_default_model_has_bars_of_its_own() -> None:
    rows = serving_bars.rows([], STREAMS, ("streams", "footprint"), is_default=True)
    assert shown(rows) == [0.98, 1.1, 1.05, 40, 40, 40, 150, 1.5]


def test_rows_of_one_part_only() -> None:
    assert set(shown(serving_bars.rows([], (1,), ("prefix",), is_default=True))) == {0.25}


def test_rates_are_shown_of_whoever_was_measured() -> None:
    rows = serving_bars.rows([Sample(0, "baseline.decode.4", 160.0)], (4,), ("decode",), is_default=True)
    assert [each.name for each in rows if each.value is not None] == ["baseline: decode, 4 streams"]


def test_ours_is_judged_beside_the_peer_of_the_same_round() -> None:
    samples = [
        Sample(0, "ours.burst-4.ttft", 3.0),
        Sample(0, "llama-server.burst-4.ttft", 4.0),
        Sample(1, "ours.burst-4.ttft", 9.0),  # the peer was lost
        Sample(0, "ours.decode-4.front_cpu_per_token", 0.00020),
        Sample(0, "echo.decode-4.front_cpu_per_token", 0.00017),
    ]
    rows = {
        each.name: each for each in serving_bars.rows(samples, (4,), ("burst", "streams"), is_default=True)
    }
    ttft = rows["burst of 4: mean TTFT ÷ llama-server's"]
    assert ttft.value is not None
    assert (ttft.value, ttft.passed) == (0.75, True)
    cpu = rows["server process CPU a token less the echo's, 4 streams"]
    assert cpu.value is not None
    assert round(cpu.value, 6) == 30
    assert cpu.passed


def test_both_layouts_of_a_round_are_compared() -> None:
    samples = [
        Sample(0, "unified.long-decode.1500", 0.12),
        Sample(0, "separate.long-decode.1500", 0.10),
        Sample(0, "unified.long-prompt-192.1000", 0.66),
        Sample(0, "separate.long-prompt-192.1000", 0.60),
    ]
    rows = [each for each in serving_bars.rows(samples, (), ("long",), is_default=False) if each.value]
    assert [(each.name, round(each.value or 0, 2), each.passed) for each in rows] == [
        ("decode step of 8 streams of 1,500 cells: unified cache ÷ a cache for each", 1.2, False),
        ("192 prompt tokens beside 8 × 1,000 cells: unified cache ÷ a cache for each", 1.1, None),
    ]
