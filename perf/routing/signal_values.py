"""What each signal says of each question: the greater, the more the question is worth the big model."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from perf.routing.routing_samples import Answered, Probed, Rated, Role, Sample, Stated

Value = Callable[["Item"], float | None]


@dataclass(slots=True)
class Item:
    """All samples of one question."""

    id: str
    little: Answered
    big: Answered
    probes: dict[str, Probed] = field(default_factory=dict)
    rated: Rated | None = None
    stated: Stated | None = None

    @property
    def gain(self) -> int:
        """1 where the big model alone is right, -1 where the little model alone is."""
        return self.big.is_right - self.little.is_right


def items_of(samples: Iterable[Sample]) -> list[Item]:
    """The questions that both models answered, in the order of their first answer."""
    samples = list(samples)
    answers: dict[str, dict[Role, Answered]] = {}
    for sample in samples:
        if isinstance(sample, Answered):
            answers.setdefault(sample.id, {})[sample.role] = sample
    found = {
        name: Item(name, both[Role.LITTLE], both[Role.BIG])
        for name, both in answers.items()
        if len(both) == 2
    }
    for sample in samples:
        if isinstance(sample, Probed) and sample.id in found:
            found[sample.id].probes[sample.probe] = sample
        elif isinstance(sample, Rated) and sample.id in found:
            found[sample.id].rated = sample
        elif isinstance(sample, Stated) and sample.id in found:
            found[sample.id].stated = sample
    return list(found.values())


def mean_token(item: Item) -> float | None:
    """1 less the geometric mean of the probabilities of the little answer's tokens."""
    tokens = item.little.tokens
    return 1 - math.exp(math.fsum(tokens) / len(tokens)) if tokens else None


def least_token(item: Item) -> float | None:
    """1 less the probability of the least likely token."""
    tokens = item.little.tokens
    return 1 - math.exp(min(tokens)) if tokens else None


def first_token(item: Item) -> float | None:
    """1 less the probability of the first token, the letter."""
    return 1 - math.exp(max(item.little.letters))


def first_entropy(item: Item) -> float | None:
    """The entropy of the first token over the letters, as a share of the most there can be."""
    shares = softmax(item.little.letters)
    return -math.fsum(each * math.log(each) for each in shares if each) / math.log(len(shares))


def _probe(name: str) -> Value:
    def value(item: Item) -> float | None:
        probed = item.probes.get(name)
        return None if probed is None else softmax(probed.log_probabilities)[1]

    return value


def rating(item: Item) -> float | None:
    """1 where the little model's words name the more powerful model, 0 where they do not."""
    return None if item.rated is None else float("powerful" in item.rated.text.lower())


def softmax(values: Sequence[float]) -> list[float]:
    """Shares that add up to 1."""
    most = max(values)
    raw = [math.exp(value - most) for value in values]
    return [each / math.fsum(raw) for each in raw]


SIGNALS: Mapping[str, Value] = {
    "mean_token": mean_token,
    "least_token": least_token,
    "first_token": first_token,
    "first_entropy": first_entropy,
    "difficulty": _probe("difficulty"),
    "who_answers": _probe("who_answers"),
    "rating": rating,
}
