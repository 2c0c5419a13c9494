"""Splits the questions, trains the classifier, and gives every signal's values on the held-out questions."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perf.routing.routing_figures import ORACLE, RANDOM, Signal, median_threshold
from perf.routing.signal_values import SIGNALS, Item, Value
from perf.routing.train_classifier import train
from xapp.routing.classifier import Classifier

TRAINING_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Comparison:
    """The signals on the training questions and on the held-out questions."""

    held_out: Sequence[Item]
    training: list[Signal]
    signals: list[Signal]
    classifier: Classifier | None


def is_training(name: str) -> bool:
    """Whether a question is for training: by its id, so that another run splits alike."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    return number / 2**32 < TRAINING_SHARE


def compare(items: Sequence[Item], prompts: Mapping[str, str], little_digest: str) -> Comparison:
    """`prompts`: what the models were asked, by the question's id."""
    old = [item for item in items if is_training(item.id)]
    new = [item for item in items if not is_training(item.id)]
    wrong = [not item.little.is_right for item in old]
    classifier = train([prompts[item.id] for item in old], wrong, little_digest)
    values = dict(SIGNALS)
    if classifier is not None:
        values["classifier"] = lambda item: classifier.difficulty(prompts[item.id])
    learned = [_signal(name, value, old, old) for name, value in values.items()]
    found = [_signal(name, value, old, new) for name, value in values.items()]
    bounds = [_signal(RANDOM, _random, old, new), _signal(ORACLE, _oracle, old, new)]
    known = [signal for signal in [*found, *bounds] if signal.values]
    return Comparison(new, [signal for signal in learned if signal.values], known, classifier)


def _signal(name: str, value: Value, training: Sequence[Item], items: Sequence[Item]) -> Signal:
    usual = [found for item in training if (found := value(item)) is not None]
    pairs = [(item, found) for item in items if (found := value(item)) is not None]
    known, values = [item for item, _ in pairs], [found for _, found in pairs]
    return Signal(name, known, values, 0.5 if name == "rating" else median_threshold(usual))


def _random(item: Item) -> float:
    return random.Random(item.id).random()


def _oracle(item: Item) -> float:
    """Knows which model is right."""
    return float(item.gain)
