"""What `bench speculation` leaves in a result file, and the names of its figures.

step_price                  group ROWS rows: a step of so many rows of one sequence ÷ a step of one row
decode_tokens_per_second    group CATEGORY/STREAMS/STRATEGY
speedup                     group CATEGORY/STREAMS/STRATEGY: its rate ÷ plain's of the same prompts
acceptance_rate             group CATEGORY/STREAMS/STRATEGY: accepted ÷ drafted tokens
predicted_speedup           group CATEGORY/NODE: n-gram drafts on the plain answers, at the node's prices
parted_answers              group STRATEGY: answers that differ from the plain answer of the same round
parting_margin              group STRATEGY: the largest difference of the two logits where they part
"""

import msgspec


class PriceSample(msgspec.Struct, frozen=True, tag_field="kind", tag="speculation-price"):
    """A step of `rows` tokens of one sequence behind `cells` tokens, each with an output."""

    round: int
    rows: int
    cells: int
    seconds: float


class PlaySample(msgspec.Struct, frozen=True, tag_field="kind", tag="speculation-play"):
    """The answers to a group of prompts, decoded together. `seconds` are of the steps without prompts, which
    brought `num_tokens`.
    """

    round: int
    category: str
    group: int
    streams: int
    strategy: str
    num_tokens: int
    seconds: float
    num_drafted: int
    num_accepted: int
    num_draft_steps: int


class PartingSample(msgspec.Struct, frozen=True, tag_field="kind", tag="speculation-parting"):
    """An answer that differs from the plain answer from token `place` on.

    `margin`: the logit of the plain answer's token less that of the other, both after the common beginning.
    """

    round: int
    category: str
    group: int
    streams: int
    strategy: str
    place: int
    margin: float


class PredictionSample(msgspec.Struct, frozen=True, tag_field="kind", tag="speculation-prediction"):
    """The speedup that n-gram drafts would have on an answer at the prices of `node`."""

    category: str
    group: int
    node: str
    speedup: float


Sample = PriceSample | PlaySample | PartingSample | PredictionSample
