from perf.bar_table import Sample
from perf.promises import promise_bars
from perf.promises.measure_promises import PARTS


def test_every_bar_of_the_table() -> None:
    rows = promise_bars.rows([], list(PARTS))
    assert [(each.bar, not each.higher_is_better) for each in rows if each.bar is not None] == [
        (1.5, False),
        (0.95, False),
        (2, True),
        (25, True),
        (0.20, True),
        (0.20, True),
        (0.15, True),
        (0.3, True),
        (1.3, True),
        (1.10, True),
    ]


def test_rows_of_one_part_only() -> None:
    assert {each.bar for each in promise_bars.rows([], ["pinned"])} == {0.15, None}


def test_contenders_are_compared_within_a_round() -> None:
    samples = [
        Sample(0, "with.goodput", 3.0),
        Sample(0, "without.goodput", 1.5),
        Sample(1, "with.goodput", 9.0),
    ]
    first = promise_bars.rows(samples, ["overload"])[0]
    assert first.value is not None
    assert (first.value, first.num_samples, first.passed) == (2.0, 1, True)


def test_times_are_shown_in_ms() -> None:
    first = promise_bars.rows([Sample(0, "all.p99", 0.012)], ["refusal"])[0]
    assert first.value is not None
    assert (first.value, first.unit) == (12.0, "ms")


def test_llama_server_may_be_missing() -> None:
    rows = promise_bars.rows(
        [Sample(0, "ours.loaded.p95", 0.3), Sample(0, "ours.idle.p95", 0.2)], ["critical"]
    )
    assert [each.note for each in rows if "llama" in each.name] == ["not measured"] * 5
    assert rows[0].passed is True
