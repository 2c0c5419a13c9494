"""Samples of two models, made for a test."""

import random
from array import array

from perf.routing.routing_samples import Answered, Probed, Rated, Role, Sample, Stated
from perf.routing.signal_values import Item, items_of

STATE_SIZE = 200
SURE, UNSURE = (-0.1, -3.0), (-0.6, -0.9)


def answered(role: Role, name: str, *, is_right: bool, is_sure: bool = True) -> Answered:
    """The first letter is picked."""
    letters = list(SURE if is_sure else UNSURE)
    return Answered(role, name, 0 if is_right else 1, letters, [letters[0], -0.05])


def samples(number: int, *, little: bool, big: bool) -> list[Sample]:
    """A question on which the little model is sure exactly where it is right."""
    name = f"q{number}"
    return [
        answered(Role.LITTLE, name, is_right=little, is_sure=little),
        answered(Role.BIG, name, is_right=big),
        Probed(name, "difficulty", [-1.0, -2.0] if little else [-2.0, -1.0], 0.1),
        Stated(name, array("f", _state(number, is_hard=not little)).tobytes(), 0.2),
        Rated(name, "It is better for me." if little else "The more powerful model.", 0.5),
    ]


def _state(number: int, *, is_hard: bool) -> list[float]:
    """More numbers than questions. One of them tells, the others do not."""
    draw = random.Random(number)
    return [3.0 * is_hard + draw.gauss(0, 0.3), *(draw.gauss(0, 1) for _ in range(STATE_SIZE - 1))]


def some(count: int = 60) -> list[Item]:
    """Of three questions the little model answers one, the big model two."""
    made = [samples(number, little=number % 3 == 0, big=number % 3 < 2) for number in range(count)]
    return items_of(sample for each in made for sample in each)
