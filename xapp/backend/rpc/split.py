"""Decides which layers are computed where. Pure arithmetic.

A token passes the places one after the other, so a layer costs its bytes divided by the speed of its place,
and a place with layers costs its way over the network once. The fastest split has the most layers that fit on
the fastest places, and no place that costs more than it gains.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf

from xapp.errors import ConfigError

SPLIT_KEY = "XAPP_RPC_SPLIT"


@dataclass(frozen=True, slots=True)
class Layer:
    """The bytes of a layer: its weights, which each token reads, and its cells in the KV cache."""

    weight_bytes: int
    kv_bytes: int

    @property
    def bytes(self) -> int:
        """The memory that the layer takes."""
        return self.weight_bytes + self.kv_bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where layers can be: its name, the bytes that fit, bytes of weights read in a second, and the seconds
    that its way over the network takes a token.
    """

    name: str
    room_bytes: int
    bytes_per_s: float
    hop_s: float = 0.0


def fastest_split(layers: Sequence[Layer], places: Sequence[Place]) -> list[int] | None:
    """The number of layers at each place, in the order of the places; None where the layers do not fit.

    Exact: for each place and each number of layers up to it, the least time a token, in nanoseconds. Of equal
    splits the first places have more: the numbers are kept negative, so that `min` takes it.
    """
    room = list(accumulate((layer.bytes for layer in layers), initial=0))
    read = list(accumulate((layer.weight_bytes for layer in layers), initial=0))
    best: list[tuple[float, tuple[int, ...]]] = [(0.0, ()), *[(inf, ())] * len(layers)]
    for place in places:
        best = [
            min(
                (
                    round(best[start][0] + _seconds(read[end] - read[start], place), 9),
                    (*best[start][1], start - end),
                )
                for start in range(end + 1)
                if room[end] - room[start] <= (place.room_bytes if end > start else inf)
            )
            for end in range(len(layers) + 1)
        ]
    seconds, negative = best[-1]
    return [-count for count in negative] if seconds < inf else None


def _seconds(num_bytes: int, place: Place) -> float:
    return num_bytes / place.bytes_per_s + place.hop_s if num_bytes else 0.0


def check_split(counts: Sequence[int], num_places: int, num_layers: int) -> None:
    """Raises ConfigError unless a given split has a number for each place and all layers."""
    text = ",".join(map(str, counts))
    if len(counts) != num_places:
        raise ConfigError(SPLIT_KEY, f"{text}: this node and its helpers are {num_places}")
    if sum(counts) != num_layers:
        raise ConfigError(SPLIT_KEY, f"{text} are {sum(counts)} layers, and the model has {num_layers}")
