from perf.serving import bars
from perf.table import Sample


def test_every_row_of_the_table_has_its_bar() -> None:
    rows = bars.rows([], (1, 4, 8), ("decode", "arrival", "prefix", "cancel", "footprint"))
    assert [each.bar for each in rows if each.bar is not None] == [
        *(0.98, 0.98, 0.98, 0.97, 0.97, 0.95, 1.10, 1.10, 1.10, 150, 150, 150),
        *(150, 1.5, 0.25, 1, 150, 2.5),
    ]


def test_rows_of_one_part_only() -> None:
    assert {each.bar for each in bars.rows([], (1,), ("prefix",))} == {0.25}


def test_rates_are_shown_of_whoever_was_measured() -> None:
    rows = bars.rows([Sample(0, "baseline.decode.4", 160.0)], (4,), ("decode",))
    assert [each.what for each in rows if each.summary] == ["baseline: decode, 4 streams"]
