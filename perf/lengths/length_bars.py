"""From samples to the rows of the table: each predictor by rank, error and cost, and an order by it."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from perf.bar_table import Sample, row
from perf.lengths.ask_lengths import STATE, UNPARSED
from perf.lengths.predict_lengths import Item, Predicted, error_factor, predictions
from perf.lengths.queue_order import Wanted, completion
from perf.record.result_schema import Figure
from xapp.admission.turn import rank_correlation

MIN_AGREEMENT = 0.5
MAX_MEAN, MAX_LONG = 0.8, 1.3
ORACLE = "oracle"
CORRELATION, COMPLETION, LONG = (
    ": rank correlation τ",
    ": shortest first ÷ first come, mean completion",
    ": the same, p99 of long answers",
)
"""Ends of the names of figures, behind the predictor."""
_SEED = 1


def rows(samples: Sequence[Sample], questions: Sequence[tuple[str, str]], most: int) -> list[Figure]:
    """`questions`: category and text, by the place in the samples' keys. `most`: the limit of an answer."""
    rounds = [items_of(samples, questions, number) for number in sorted({each.round for each in samples})]
    return [*_predictors([items for items in rounds if items], most), *_costs(samples)]


def items_of(samples: Sequence[Sample], questions: Sequence[tuple[str, str]], number: int) -> list[Item]:
    """The questions that were answered in a round."""
    said: dict[int, dict[str, float]] = {}
    for sample in samples:
        if sample.round == number:
            name, _, place = sample.key.rpartition(".")
            said.setdefault(int(place), {})[name] = sample.value
    return [
        Item(place, *questions[place], int(values["tokens"]), values)
        for place, values in sorted(said.items())
        if "tokens" in values
    ]


def _predictors(rounds: Sequence[Sequence[Item]], most: int) -> Iterator[Figure]:
    found: dict[str, dict[str, list[float]]] = {}
    for items in rounds:
        by_place = {item.place: item for item in items}
        told = {item.place: item.tokens for item in items if not item.is_training}
        for name, predicted in {**predictions(items, most), ORACLE: told}.items():
            if predicted:
                _add(found.setdefault(name, {}), predicted, by_place)
    for name, values in found.items():
        bars = (MIN_AGREEMENT, MAX_MEAN, MAX_LONG) if name != ORACLE else (None, None, None)
        yield row(f"{name}{CORRELATION}", "", values["τ"], bars[0], at_most=False)
        yield row(f"{name}: median error, a factor", "", values["error"], None)
        yield row(f"{name}{COMPLETION}", "", values["mean"], bars[1])
        yield row(f"{name}{LONG}", "", values["long"], bars[2])


def _add(values: dict[str, list[float]], predicted: Predicted, items: Mapping[int, Item]) -> None:
    pairs = [(tokens, items[place].tokens) for place, tokens in predicted.items()]
    wanted = [Wanted(max(1, actual), tokens) for tokens, actual in pairs]
    first = completion(wanted, _SEED, shortest_first=False)
    shortest = completion(wanted, _SEED, shortest_first=True)
    for name, value in (
        ("τ", rank_correlation(pairs)),
        ("error", error_factor(predicted, items)),
        ("mean", shortest.mean / first.mean),
        ("long", shortest.long_p99 / first.long_p99),
    ):
        values.setdefault(name, []).append(value)


def _costs(samples: Sequence[Sample]) -> Iterator[Figure]:
    for name in ("perception", "probe", STATE):
        yield row(f"{name}: time of a prediction", "s", _medians(samples, f"{name}_s."), None)
    estimates = _by_round(samples, "perception.")
    shares = [values.count(UNPARSED) / len(values) for values in estimates]
    yield row("perception: share of estimates without a number", "", shares, None)


def _medians(samples: Sequence[Sample], prefix: str) -> list[float]:
    return [statistics.median(values) for values in _by_round(samples, prefix)]


def _by_round(samples: Sequence[Sample], prefix: str) -> list[list[float]]:
    found: dict[int, list[float]] = {}
    for sample in samples:
        if sample.key.startswith(prefix):
            found.setdefault(sample.round, []).append(sample.value)
    return list(found.values())
