"""Figures of accuracy from its samples."""

from collections.abc import Iterable, Iterator, Sequence

from perf.accuracy.accuracy_samples import Item, Sample, Scored, SkippedItem
from perf.accuracy.question_tasks import By, Task
from perf.record.make_figures import measured, of_interval
from perf.record.result_schema import Figure
from perf.record.statistics_of_samples import wilson_interval


def figures(model: str, samples: Iterable[Sample], task: Task, by: By) -> list[Figure]:
    """All figures of one model; `group` is its name. Empty when nothing was scored."""
    own = [sample for sample in samples if sample.model == model]
    items = [sample for sample in own if isinstance(sample, Item)]
    if not items:
        return []
    num_skipped = sum(isinstance(sample, SkippedItem) for sample in own)
    return [
        _share("accuracy", items, model),
        *_categories(items, model),
        *_per_byte(items, model, task, by),
        *_likelihoods(items, model),
        *_speed([sample for sample in own if isinstance(sample, Scored)], model),
        Figure("num_items", len(items), "", model),
        Figure("num_skipped_items", num_skipped, "", model),
    ]


def _share(name: str, items: Sequence[Item], model: str) -> Figure:
    return _of_right(name, [each.is_right for each in items], model)


def _of_right(name: str, right: Sequence[bool], model: str) -> Figure:
    found = wilson_interval(sum(right), len(right))
    return of_interval(name, "", found, group=model, higher_is_better=True)


def _categories(items: Sequence[Item], model: str) -> Iterator[Figure]:
    for category in sorted({each.category for each in items} - {""}):
        yield _share(
            f"accuracy.category.{category}", [each for each in items if each.category == category], model
        )


def _per_byte(items: Sequence[Item], model: str, task: Task, by: By) -> Iterator[Figure]:
    """Long choices are less likely as a whole; the mean over bytes makes up for that."""
    if task is not Task.WINOGRANDE and by is By.TEXT:
        yield _of_right("accuracy_per_byte", [_picked_per_byte(each) == each.right for each in items], model)


def _picked_per_byte(each: Item) -> int:
    means = [value / size for value, size in zip(each.compared, each.num_compared_bytes, strict=True)]
    return means.index(max(means))


def _likelihoods(items: Sequence[Item], model: str) -> Iterator[Figure]:
    chance = [1 / len(each.compared) for each in items]
    yield Figure("chance_accuracy", sum(chance) / len(chance), "", model, num_samples=len(items))
    right = [each.compared[each.right] for each in items]
    wrong = [_mean_wrong(each) for each in items]
    yield measured("mean_log_probability.right", "nat", right, group=model, higher_is_better=True)
    yield measured("mean_log_probability.wrong", "nat", wrong, group=model)


def _mean_wrong(each: Item) -> float:
    others = [value for index, value in enumerate(each.compared) if index != each.right]
    return sum(others) / len(others)


def _speed(stretches: Sequence[Scored], model: str) -> Iterator[Figure]:
    seconds = sum(each.seconds for each in stretches)
    if seconds:
        rate = sum(each.num_items for each in stretches) / seconds
        yield Figure("items_per_second", rate, "item/s", model, higher_is_better=True)
