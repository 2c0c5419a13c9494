"""The samples of `bench accuracy`, and the figures that follow from them.

Figures, each with `group` = the model's name:

    accuracy                       share of items whose likeliest choice is right; 95 % Wilson interval
    accuracy.category.<CATEGORY>   the same within a subject or a difficulty
    accuracy_per_byte              only `--by text`: the choice's log-probability divided by its bytes decides
    chance_accuracy                a random guesser's: the mean of 1 / number of choices
    mean_log_probability.right     of the right choice, mean over the items, nats
    mean_log_probability.wrong     of the others
    items_per_second               of this run's own time; items taken from a journal are not counted
    num_items  num_skipped_items
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from perf.record.sample_rows import decoder


class Item(msgspec.Struct, frozen=True, tag_field="kind", tag="item"):
    """One question. Choices in the file's order.

    `compared` is what was compared, nats: for WinoGrande the log-probability of what follows the
    blank, for multiple choice that of the choice. `log_probabilities` is of the whole text that was
    scored as a choice. `num_compared_tokens` is how many tokens `compared` sums.
    `right` and `picked` are indices; the first of equals is picked.
    """

    model: str
    id: str
    line: int
    category: str
    right: int
    picked: int
    compared: list[float]
    num_compared_tokens: list[int]
    log_probabilities: list[float]
    num_compared_bytes: list[int]
    num_prompt_tokens: int
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether the likeliest choice is the right one."""
        return self.picked == self.right


class SkippedItem(msgspec.Struct, frozen=True, tag_field="kind", tag="skipped"):
    """A question that the server would not score, and why: longer than the context, for one."""

    model: str
    id: str
    line: int
    category: str
    reason: str


class Scored(msgspec.Struct, frozen=True, tag_field="kind", tag="scored"):
    """One stretch of uninterrupted scoring of a model; a resumed run has several."""

    model: str
    num_items: int
    seconds: float


Sample: TypeAlias = Item | SkippedItem | Scored


decode: Callable[[dict[str, Any]], Sample] = decoder(Sample)
