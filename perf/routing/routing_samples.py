"""The samples of `bench routing`: what each model said of each question."""

import enum
from array import array
from typing import Any, TypeAlias

import msgspec


class Role(enum.StrEnum):
    """Which of the two models."""

    LITTLE = "little"
    BIG = "big"


class Answered(msgspec.Struct, frozen=True, tag_field="kind", tag="answered"):
    """A model's answer: the log-probability of the letter of each choice, nats.

    `tokens`, of the little model alone: those of every token of its answer, letter and text.
    """

    role: Role
    id: str
    right: int
    letters: list[float]
    tokens: list[float] = []

    @property
    def picked(self) -> int:
        """The index of the likeliest letter."""
        return self.letters.index(max(self.letters))

    @property
    def is_right(self) -> bool:
        """Whether the likeliest letter is the right one."""
        return self.picked == self.right


class Probed(msgspec.Struct, frozen=True, tag_field="kind", tag="probed"):
    """The log-probabilities of the texts of a probe, nats, in their order, and its seconds."""

    id: str
    probe: str
    log_probabilities: list[float]
    seconds: float


class Rated(msgspec.Struct, frozen=True, tag_field="kind", tag="rated"):
    """The little model's own words on who should answer, and the seconds that they took."""

    id: str
    text: str
    seconds: float


class Stated(msgspec.Struct, frozen=True, tag_field="kind", tag="stated"):
    """The little model's hidden state of the question's last token, float32, and the seconds that it took."""

    id: str
    state: bytes
    seconds: float

    @property
    def values(self) -> list[float]:
        """The numbers of the state."""
        return array("f", self.state).tolist()


Sample: TypeAlias = Answered | Probed | Rated | Stated


def decode(row: dict[str, Any]) -> Sample:
    """Raises msgspec.ValidationError for a row that is no sample of this mode."""
    sample: Sample = msgspec.convert(row, Sample)
    return sample
