import pytest

from perf.record.result_schema import Figure
from perf.speculation.speculation_figures import summary
from perf.speculation.speculation_samples import PartingSample, PlaySample, PriceSample, Sample


def play(strategy: str, group: int, tokens: int, seconds: float, round_: int = 0) -> PlaySample:
    drafted = 0 if strategy == "plain" else 10
    return PlaySample(round_, "rag", group, 1, strategy, tokens, seconds, drafted, drafted // 2, drafted // 5)


SAMPLES: list[Sample] = [
    *(PriceSample(0, 1, 1000, 0.1), PriceSample(0, 4, 1000, 0.2)),
    *(PriceSample(1, 1, 1000, 0.2), PriceSample(1, 4, 1000, 0.5)),
    *(play("plain", 0, 100, 10.0), play("ngram", 0, 100, 5.0)),
    *(play("plain", 1, 100, 10.0), play("ngram", 1, 100, 20.0)),
    *(play("plain", 1, 100, 10.0, 1), play("ngram", 1, 100, 20.0, 1)),
    PartingSample(0, "rag", 1, 1, "ngram", 7, -0.02),
]


def found(name: str, group: str) -> Figure:
    (figure,) = [each for each in summary(SAMPLES) if (each.name, each.group) == (name, group)]
    return figure


def test_the_price_of_a_step_is_of_its_own_round() -> None:
    assert found("step_price", "4 rows").value == pytest.approx(2.25)
    assert found("step_price", "1 rows").value == 1


def test_the_speedup_is_of_the_same_prompts_and_its_middle_geometric() -> None:
    speedup = found("speedup", "rag/1/ngram")
    assert speedup.value == pytest.approx(1.0)
    assert (speedup.minimum, speedup.maximum) == (0.5, 2.0)
    assert speedup.num_samples == 2


def test_half_of_the_drafts_were_right() -> None:
    assert found("acceptance_rate", "rag/1/ngram").value == 0.5


def test_answers_that_part_are_counted_with_the_largest_margin() -> None:
    assert found("parted_answers", "ngram").value == 1
    assert found("parting_margin", "ngram").value == 0.02
    assert not [each for each in summary(SAMPLES[:-1]) if each.name == "parting_margin"]
