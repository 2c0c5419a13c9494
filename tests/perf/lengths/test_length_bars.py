from perf.bar_table import Sample
from perf.lengths.length_bars import rows
from perf.lengths.length_picture import draw

QUESTIONS = [("qa", f"question {place}") for place in range(40)]


def samples() -> list[Sample]:
    found = []
    for place in range(40):
        tokens = 10 if place % 4 < 2 else 200
        found += [
            Sample(0, f"tokens.{place}", tokens),
            Sample(0, f"probe.{place}", tokens / 100),
            Sample(0, f"probe_s.{place}", 0.05),
            Sample(0, f"perception.{place}", -1.0),
            Sample(0, f"perception_s.{place}", 0.5),
        ]
    return found


def test_figures_meet_their_bars() -> None:
    found = {row.name: row for row in rows(samples(), QUESTIONS, 256)}
    assert found["probe: rank correlation τ"].passed
    assert found["history: rank correlation τ"].passed is False
    assert found["probe: shortest first ÷ first come, mean completion"].passed
    assert found["oracle: rank correlation τ"].value == 1
    assert found["oracle: rank correlation τ"].passed is None
    assert found["probe: time of a prediction"].value == 0.05
    assert found["perception: share of estimates without a number"].value == 1


def test_a_part_that_is_missing_is_said() -> None:
    some = [sample for sample in samples() if sample.key.startswith("tokens")]
    found = {row.name: row for row in rows(some, QUESTIONS, 256)}
    assert "probe: rank correlation τ" not in found
    assert found["probe: time of a prediction"].note == "not measured"
    assert rows([], QUESTIONS, 256)


def test_the_picture_has_every_predictor_and_needs_none() -> None:
    drawn = draw(rows(samples(), QUESTIONS, 256)).svg.decode()
    assert all(f"<!-- {name} -->" in drawn for name in ("probe", "history", "oracle"))
    assert "rank correlation" in draw(rows([], QUESTIONS, 256)).svg.decode()
