import pytest

from perf.record.result_schema import Figure
from perf.report import figure_words


def figure(
    value: float | None, unit: str, name: str = "thing", low: float | None = None, high: float | None = None
) -> Figure:
    return Figure(name, value, unit, "", low, high, note="why")


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (figure(0.0123, "s"), "12.3 ms"),
        (figure(2.5, "s"), "2.5 s"),
        (figure(0.0000458, "s"), "45.8 µs"),
        (figure(0, "s"), "0 µs"),
        (figure(3 * 1024**3, "B"), "3 GiB"),
        (figure(100, "B"), "100 B"),
        (figure(9.8 * 1024**3, "B/s"), "9.8 GiB/s"),
        (figure(0.123, "", "memory_share"), "12.3 %"),
        (figure(0.5, "", "accuracy.category.easy"), "50 %"),
        (figure(0.5, "", "decode_ratio"), "0.5"),
        (figure(61.42, "tok/s", "decode_tokens_per_second"), "61.4"),
        (figure(1234.5, "J/token"), "1,234 J/token"),
        (figure(None, "s"), "–"),
        (None, "–"),
    ],
)
def test_values(shown: Figure | None, text: str) -> None:
    assert figure_words.value(shown) == text


def test_an_interval_is_in_the_values_unit() -> None:
    assert figure_words.with_interval(figure(0.612, "", "accuracy", 0.585, 0.638)) == "61.2 % (58.5 – 63.8)"
    assert figure_words.with_interval(figure(0.0123, "s")) == "12.3 ms"


def test_titles() -> None:
    assert figure_words.title("ttft.p95") == "TTFT p95"
    assert figure_words.title("decode_tokens_per_second") == "decode, tokens/s"
    assert figure_words.title("some_new.p50") == "some new p50"


def test_one_scale_for_figures_that_stand_together() -> None:
    assert figure_words.scale([figure(0.5, "s"), figure(2.0, "s")]) == (1.0, "s")
    assert figure_words.scale([]) == (1.0, "")


@pytest.mark.parametrize(("seconds", "text"), [(42, "42 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations(seconds: float, text: str) -> None:
    assert figure_words.duration(seconds) == text
