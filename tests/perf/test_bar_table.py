import msgspec
import pytest

from perf.bar_table import Sample, cells, markdown, number, ratios, row, show
from perf.record.result_schema import Figure, Mode
from tests.perf import results


def test_ratios_pair_the_samples_of_a_round() -> None:
    samples = [Sample(0, "a", 2.0), Sample(0, "b", 4.0), Sample(1, "a", 9.0), Sample(1, "b", 3.0)]
    assert sorted(ratios(samples, "a", "b")) == [0.5, 3.0]


def test_a_round_without_one_of_them_gives_no_ratio() -> None:
    assert ratios([Sample(0, "a", 2.0), Sample(1, "b", 4.0)], "a", "b") == []


@pytest.mark.parametrize(
    ("found", "at_most", "passed"),
    [([1.0], True, True), ([1.1], True, False), ([1.0], False, True), ([0.9], False, False)],
)
def test_a_row_passes_on_its_side_of_the_bar(found: list[float], at_most: bool, passed: bool) -> None:
    assert row("x", "", found, 1.0, at_most=at_most).passed is passed


def test_the_median_decides() -> None:
    assert row("x", "", [0.5, 0.9, 5.0], 1.0).passed is True


def test_without_values_there_is_no_verdict() -> None:
    empty = row("x", "ms", [], 1.0)
    assert empty.passed is None
    assert cells(empty) == ("x", "≤ 1.000 ms", "–", "–", "–", "not measured")


def test_the_interval_stands_between_median_and_range() -> None:
    found = row("x", "", [0.98, 1.0, 1.02], 0.97, at_most=False)
    assert cells(found) == ("x", "≥ 0.970", "1.000", "0.951 – 1.051", "0.980 – 1.020", "pass")


def test_one_round_has_no_interval() -> None:
    assert cells(row("x", "", [1.0], 1.0))[3] == "–"


def test_values_of_zero_have_an_interval_too() -> None:
    assert cells(row("x", "", [0.0, 1.0, 1.0], 1.0))[3] == "-0.768 – 2.101"


def test_without_a_bar_there_is_no_verdict() -> None:
    assert row("x", "ms", [1.0], None).passed is None


@pytest.mark.parametrize(
    ("value", "shown"), [(1234.5, "1,234"), (12.34, "12.3"), (0.98765, "0.988"), (-200.0, "-200")]
)
def test_numbers_show_what_matters(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_row_survives_json() -> None:
    made = row("x", "ms", [1.0, 2.0], 3.0)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Figure) == made


def test_the_table_as_markdown_says_what_it_is_of_and_what_is_missing() -> None:
    result = results.result(Mode.SERVING, [row("x", "ms", [1.0], 2.0)], options={"rounds": 5})
    told = markdown(msgspec.structs.replace(result, missing=["llama-server, round 1: it ended"]))
    head, _, _, _, line, *rest = told.splitlines()
    assert head.startswith("smollm2-135m-q4_1 (sha256:")
    assert "5 rounds; Cortex-A76, 4 cores; revision abc123" in head
    assert line == "| x | ≤ 2.000 ms | 1.000 ms | – | 1.000 – 1.000 | pass |"
    assert rest == ["", "Missing: llama-server, round 1: it ended"]


def test_a_mode_without_a_target_has_a_table_too(capsys: pytest.CaptureFixture[str]) -> None:
    made = results.result(Mode.POOL, [row("x", "", [1.0], 0.9, at_most=False)], options={"rounds": 2})
    result = msgspec.structs.replace(made, targets=[])
    assert markdown(result).startswith("bench pool, 2 rounds; ")
    show(result)
    assert "bench pool, 2 rounds" in capsys.readouterr().out
