import pytest

from perf.accuracy.accuracy_figures import figures
from perf.accuracy.accuracy_samples import Item, Sample, Scored, SkippedItem
from perf.accuracy.question_tasks import By, Task
from perf.record.result_schema import Figure


def answered(
    name: str, picked: int, *, category: str = "", compared: tuple[float, ...] = (-1.0, -2.0)
) -> Item:
    return Item(
        model="m",
        id=name,
        line=1,
        category=category,
        right=0,
        picked=picked,
        compared=list(compared),
        num_compared_tokens=[1] * len(compared),
        log_probabilities=list(compared),
        num_compared_bytes=[4, 1, 1, 1][: len(compared)],
        num_prompt_tokens=5,
        seconds=0.1,
    )


def by_name(*samples: Sample, task: Task = Task.WINOGRANDE, by: By = By.LETTER) -> dict[str, Figure]:
    return {each.name: each for each in figures("m", samples, task, by)}


def test_accuracy_has_wilsons_interval() -> None:
    found = by_name(*[answered(str(number), picked=int(number >= 8)) for number in range(10)])
    accuracy = found["accuracy"]
    assert (accuracy.value, accuracy.num_samples, accuracy.higher_is_better) == (0.8, 10, True)
    assert accuracy.low == pytest.approx(0.4902, abs=1e-4)
    assert accuracy.high == pytest.approx(0.9433, abs=1e-4)
    assert found["chance_accuracy"].value == 0.5


def test_categories_have_figures_of_their_own() -> None:
    found = by_name(
        answered("a", 0, category="easy"),
        answered("b", 1, category="easy"),
        answered("c", 1, category="hard"),
    )
    assert found["accuracy.category.easy"].value == 0.5
    assert found["accuracy.category.hard"].value == 0.0
    assert found["accuracy"].value == pytest.approx(1 / 3)


def test_texts_are_compared_a_byte_too() -> None:
    samples = [answered("a", 1, compared=(-4.0, -3.0)), answered("b", 0, compared=(-1.0, -3.0))]
    assert by_name(*samples, task=Task.MMLU, by=By.TEXT)["accuracy_per_byte"].value == 1.0
    assert "accuracy_per_byte" not in by_name(*samples, task=Task.MMLU)
    assert "accuracy_per_byte" not in by_name(*samples, by=By.TEXT)


def test_likelihoods_and_chance_are_means_over_items() -> None:
    found = by_name(answered("a", 0), answered("b", 0, compared=(-3.0, -1.0, -2.0, -6.0)))
    assert found["mean_log_probability.right"].value == pytest.approx(-2.0)
    assert found["mean_log_probability.wrong"].value == pytest.approx(-2.5)
    assert found["chance_accuracy"].value == pytest.approx(0.375)


def test_speed_is_over_all_stretches_and_skipped_items_are_counted() -> None:
    found = by_name(
        answered("a", 0), Scored("m", 1, 1.0), Scored("m", 3, 1.0), SkippedItem("m", "b", 2, "", "too long")
    )
    assert found["items_per_second"].value == 2.0
    assert (found["num_items"].value, found["num_skipped_items"].value) == (1, 1)


def test_without_items_there_is_no_figure() -> None:
    assert figures("m", [Scored("m", 0, 1.0)], Task.MMLU, By.TEXT) == []
    assert figures("other", [answered("a", 0)], Task.MMLU, By.TEXT) == []
