import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from perf.record.make_figures import measured
from perf.record.result_diff import NotComparable, Verdict, compare
from perf.record.result_schema import Figure, Mode, Result, Status
from tests.perf import results


def run(*figures: Figure, **fields: Any) -> Result:
    return results.result(Mode.LOAD, figures, **fields)


def speed(value: float, half: float | None = 1.0, **fields: Any) -> Figure:
    low, high = (None, None) if half is None else (value - half, value + half)
    plain = Figure("speed", value, "tok/s", "m", low, high, 30, True)
    return msgspec.structs.replace(plain, **fields)


def verdict(old: Figure, new: Figure, tolerance: float | None = None) -> Verdict:
    (found,) = compare(run(old), run(new), tolerance).comparisons
    return found.verdict


def test_noise_is_what_the_intervals_leave_open() -> None:
    # √2 of the half-width is where the difference's interval ends.
    assert verdict(speed(100), speed(98.7)) is Verdict.NOISE
    assert verdict(speed(100), speed(98.5)) is Verdict.WORSE
    assert verdict(speed(100), speed(101.5)) is Verdict.BETTER


def test_what_is_better_is_the_figures_to_say() -> None:
    assert verdict(speed(100), speed(110, higher_is_better=False)) is Verdict.WORSE
    assert verdict(speed(100), speed(90, higher_is_better=False)) is Verdict.BETTER
    assert verdict(speed(100), speed(110, higher_is_better=None)) is Verdict.DIFFERS


def test_an_interval_counts_on_the_side_of_the_change() -> None:
    lopsided = Figure("speed", 100, "tok/s", "m", 90, 100.1, 30, True)
    assert verdict(lopsided, speed(98, 0.1)) is Verdict.NOISE
    assert verdict(lopsided, speed(102, 0.1)) is Verdict.BETTER


def test_tolerance_judges_what_has_no_interval_and_forgives_what_has() -> None:
    assert verdict(speed(100, None), speed(94, None), 0.05) is Verdict.WORSE
    assert verdict(speed(100, None), speed(96, None), 0.05) is Verdict.NOISE
    assert verdict(speed(100, 0.1), speed(96, 0.1), 0.05) is Verdict.NOISE
    assert verdict(speed(0, None), speed(1, None), 0.05) is Verdict.BETTER


def test_without_interval_and_tolerance_nothing_is_judged() -> None:
    other = Figure("other", 1.0, "", "", 0.9, 1.1)
    found = compare(run(speed(100, None), other), run(speed(50, None), other))
    assert [each.verdict for each in found.comparisons] == [Verdict.UNJUDGED, Verdict.NOISE]
    assert not found.is_worse
    with pytest.raises(NotComparable, match="--tolerance"):
        compare(run(speed(100, None)), run(speed(50, None)))


def test_change_is_relative_to_before() -> None:
    (found,) = compare(run(speed(100)), run(speed(80))).comparisons
    assert found.change == pytest.approx(-0.2)
    assert found.low == pytest.approx(-0.2 - 2**0.5 / 100)
    assert found.high == pytest.approx(-0.2 + 2**0.5 / 100)
    (found,) = compare(run(speed(0)), run(speed(80))).comparisons
    assert (found.change, found.low, found.verdict) == (None, None, Verdict.BETTER)


def many(draw: random.Random, middle: float) -> Sequence[Figure]:
    values = ([draw.gauss(middle, 5.0) for _ in range(30)] for _ in range(20))
    return [
        measured("speed", "tok/s", each, group=str(number), higher_is_better=True)
        for number, each in enumerate(values)
    ]


def test_many_figures_of_equal_runs_raise_no_alarm_and_a_real_change_does() -> None:
    draw = random.Random(3)
    alarms = [compare(run(*many(draw, 100.0)), run(*many(draw, 100.0))).is_worse for _ in range(40)]
    assert sum(alarms) <= 4
    assert compare(run(*many(draw, 100.0)), run(*many(draw, 90.0))).is_worse


def test_figures_of_one_side_are_said_and_not_judged() -> None:
    other = Figure("errors", 3.0, "", "m", higher_is_better=False)
    found = compare(run(speed(100)), run(speed(100), other))
    assert [each.verdict for each in found.comparisons] == [Verdict.NOISE, Verdict.NEW]
    lost = Figure("errors", None, "", "m", note="not measured")
    assert [each.verdict for each in compare(run(speed(100), other), run(speed(100), lost)).comparisons] == [
        Verdict.NOISE,
        Verdict.GONE,
    ]


def test_another_unit_is_not_judged() -> None:
    same = Figure("same", 1.0, "s", "", 0.9, 1.1)
    found = compare(run(speed(100), same), run(Figure("speed", 1.0, "s", "m"), same))
    assert found.comparisons[0].verdict is Verdict.UNJUDGED
    assert found.comparisons[0].note == "the unit was 'tok/s', now 's'"


def test_other_modes_and_other_figures_are_not_comparable() -> None:
    with pytest.raises(NotComparable, match="one is of bench load, the other of bench paper"):
        compare(run(speed(1)), results.result(Mode.PAPER, [speed(1)]))
    with pytest.raises(NotComparable, match="no figure of the same name and group"):
        compare(run(speed(1)), run(Figure("other", 1.0, "s")))
    with pytest.raises(NotComparable, match="no figure"):
        compare(run(), run())


def test_circumstances_that_differ_are_said() -> None:
    before = run(speed(1))
    target = msgspec.structs.replace(before.targets[0], model_digest="sha256:00", address="127.0.0.1:7")
    after = run(
        speed(1),
        node="pi-2",
        machine=results.machine("EPYC", 2),
        targets=[target],
        options={"limit": 20},
        status=Status.PARTIAL,
        missing=["2 turns"],
    )
    found = "\n".join(compare(before, after).circumstances)
    for told in (
        "node: pi-1, then pi-2",
        "machine cpu: Cortex-A76, then EPYC",
        "machine cores: 4, then 2",
        "option limit: 10, then 20",
        "partial, after: 2 turns",
        "then sha256:00",
    ):
        assert told in found
    assert "address" not in found
    assert compare(before, before).circumstances == []
