from perf.bar_table import Sample
from perf.big_little.pair_picture import Point, draw, points
from perf.big_little.ways import name_of


def samples() -> list[Sample]:
    measured = {
        "big": (10, 0.6, 0),
        "little": (40, 0.4, 0),
        "verified": (8, 0.6, 0.4),
        name_of(0.3, 5): (30, 0.5, 0.1),
        name_of(0.9, 5): (12, 0.6, 0.5),
        name_of(0.3, 2): (28, 0.5, 0.2),
    }
    return [
        Sample(0, f"{name}.{rtt}.{key}", value)
        for rtt in (0, 20)
        for name, found in measured.items()
        for key, value in zip(("tokens_s", "right", "passes"), found, strict=True)
        if rtt == 0 or not name.startswith("bild")
    ]


def test_thresholds_of_one_rollback_are_a_line_and_the_rest_are_marks() -> None:
    found = points(samples())
    assert [point.line for point in found] == [
        *("big", "little", "verified"),
        *("rollback 5", "rollback 5", "rollback 2"),
    ]
    assert found[0] == Point("big", 1.0, 1.0, 0.6)
    assert found[4] == Point("rollback 5", 0.5, 1.2, 0.6)


def test_the_picture_names_its_lines() -> None:
    svg = draw(samples()).svg.decode()
    for line in ("rollback 5", "rollback 2", "verified", "big-model passes a token"):
        assert line in svg


def test_nothing_measured_is_an_empty_picture() -> None:
    assert draw([]).svg
