from perf.bar_table import Sample
from perf.big_little.rows import rows
from perf.big_little.ways import name_of, ways


def samples(name: str, rtt: str, **values: float) -> list[Sample]:
    return [Sample(0, f"{name}.{rtt}.{key}", value) for key, value in values.items()]


def test_rows_and_bars() -> None:
    bild = name_of(0.6, 5)
    found = {
        each.name: each
        for each in rows(
            [
                *samples("big", "0", tokens_s=10, right=0.5, gap_ms=9),
                *samples(bild, "0", tokens_s=15, right=0.45, gap_ms=9, passes=0.4, bytes=30, same=0.2),
                *samples("verified", "0", tokens_s=5, right=0.5, gap_ms=9, passes=0.3, bytes=30, same=1),
                *samples("guided", "0", tokens_s=20, right=0.4, gap_ms=9, passes=0.25, bytes=8, same=0),
                Sample(0, "sessions.1", 10.0),
                Sample(0, "sessions.8", 25.0),
            ]
        )
    }
    assert found["bild-0.6-5, 0 ms: big passes a token"].passed is False
    assert found["bild-0.6-5, 0 ms: right answers ÷ big"].passed is True
    assert found["bild-0.6-5, 0 ms: speed ÷ big alone"].value == 1.5
    assert found["verified, 0 ms: same answer as big"].passed is True
    assert found["verified, 0 ms: big passes a token"].passed is None
    assert found["guided, 0 ms: speed ÷ big alone"].value == 2
    assert found["guided, 0 ms: bytes a token"].passed is None
    assert found["verified tokens/s at the big node: 8 sessions ÷ 1"].value == 2.5


def test_each_pair_of_thresholds_is_a_way() -> None:
    assert [way.name for way in ways([0.3, 0.6], [5])] == [
        "big",
        "little",
        "verified",
        "guided",
        "bild-0.3-5",
        "bild-0.6-5",
    ]
