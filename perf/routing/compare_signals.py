"""Splits the questions, trains what is trained, and gives every signal's values on the held-out questions."""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from perf.routing.out_of_fold import out_of_fold
from perf.routing.routing_figures import ORACLE, RANDOM, Signal, median_threshold
from perf.routing.signal_values import SIGNALS, Item, Value
from perf.routing.train_classifier import train
from perf.routing.train_probe import train_probe
from xapp.routing.classifier import Classifier
from xapp.routing.linear_probe import LinearProbe

TRAINING_SHARE = 0.4
BOUNDS = (RANDOM, ORACLE)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The signals on the training questions and on the held-out questions."""

    held_out: Sequence[Item]
    training: list[Signal]
    signals: list[Signal]
    classifier: Classifier | None
    probe: LinearProbe | None


@dataclass(frozen=True, slots=True)
class _Teacher:
    """Trains the signals that are trained. `prompts`: what the models were asked, by the question's id."""

    prompts: Mapping[str, str]
    little_digest: str

    def classifier(self, items: Sequence[Item]) -> Classifier | None:
        return train([self.prompts[item.id] for item in items], _wrong(items), self.little_digest)

    def by_prompt(self, items: Sequence[Item]) -> Value | None:
        return None if (found := self.classifier(items)) is None else self.of_classifier(found)

    def of_classifier(self, found: Classifier) -> Value:
        return lambda item: found.difficulty(self.prompts[item.id])

    def probe(self, items: Sequence[Item]) -> LinearProbe | None:
        known = [item for item in items if item.stated is not None]
        states = [item.stated.values for item in known if item.stated is not None]
        return train_probe(states, _wrong(known), self.little_digest)

    def by_state(self, items: Sequence[Item]) -> Value | None:
        return None if (found := self.probe(items)) is None else _of_probe(found)


def _of_probe(found: LinearProbe) -> Value:
    return lambda item: None if item.stated is None else found.difficulty(item.stated.values)


def _wrong(items: Sequence[Item]) -> list[bool]:
    return [not item.little.is_right for item in items]


def is_training(name: str) -> bool:
    """Whether a question is for training: by its id, so that another run splits alike."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    return number / 2**32 < TRAINING_SHARE


def compare(items: Sequence[Item], prompts: Mapping[str, str], little_digest: str) -> Comparison:
    """`prompts`: what the models were asked, by the question's id."""
    old = [item for item in items if is_training(item.id)]
    new = [item for item in items if not is_training(item.id)]
    teacher = _Teacher(prompts, little_digest)
    classifier, probe = teacher.classifier(old), teacher.probe(old)
    untrained = {**SIGNALS, RANDOM: _random, ORACLE: _oracle}
    usual, values = dict(untrained), dict(untrained)
    if classifier is not None:
        usual["classifier"] = _left_out(old, teacher.by_prompt)
        values["classifier"] = teacher.of_classifier(classifier)
    if probe is not None:
        usual["hidden_state"] = _left_out(old, teacher.by_state)
        values["hidden_state"] = _of_probe(probe)
    thresholds = {name: _threshold(name, value, old) for name, value in usual.items()}
    learned = [
        _signal(name, value, thresholds[name], old) for name, value in usual.items() if name not in BOUNDS
    ]
    found = [_signal(name, value, thresholds[name], new) for name, value in values.items()]
    found.sort(key=lambda signal: signal.name in BOUNDS)
    return Comparison(new, _known(learned), _known(found), classifier, probe)


def _left_out(items: Sequence[Item], fit: Callable[[Sequence[Item]], Value | None]) -> Value:
    found = dict(zip([item.id for item in items], out_of_fold(items, fit), strict=True))
    return lambda item: found[item.id]


def _known(signals: Sequence[Signal]) -> list[Signal]:
    return [signal for signal in signals if signal.values]


def _threshold(name: str, value: Value, training: Sequence[Item]) -> float:
    usual = [found for item in training if (found := value(item)) is not None]
    return 0.5 if name == "rating" else median_threshold(usual)


def _signal(name: str, value: Value, threshold: float, items: Sequence[Item]) -> Signal:
    pairs = [(item, found) for item in items if (found := value(item)) is not None]
    return Signal(name, [item for item, _ in pairs], [found for _, found in pairs], threshold)


def _random(item: Item) -> float:
    return random.Random(item.id).random()


def _oracle(item: Item) -> float:
    """Knows which model is right."""
    return float(item.gain)
