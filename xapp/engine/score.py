"""Scoring: how likely is each of several continuations of one prompt?

The prompt is prefilled as any other. The logits of its last token answer for the first token of every
choice; a choice of n tokens needs n - 1 computed besides. One choice after the other is computed in
the sequence's own cells, behind the prompt, for which room is kept from admission on: so it always
gets on. Where sequence ids and cells are free, further choices are computed beside it as branches,
which share the prompt's cells.
"""

from collections import deque
from dataclasses import dataclass, field

from xapp.backend.base import Backend
from xapp.domain.messages import SequenceScored, Submit
from xapp.engine.sequence import Sequence


@dataclass(slots=True, eq=False)
class Branch:
    """A choice that is computed beside the others.

    `seq_id` shares the prompt's cells, and has cells of its own for the first `num_computed` of `tokens`,
    the choice. The last of them is never computed. `joins` is set while the prompt is computed in the
    same step.
    """

    choice: int
    tokens: list[int]
    seq_id: int
    num_computed: int = 0
    joins: "ScoreSequence | None" = None

    @property
    def num_left(self) -> int:
        """Tokens still to compute."""
        return len(self.tokens) - 1 - self.num_computed


def fits_one_step(request: Submit, backend: Backend) -> bool:
    """Whether a steady batch takes the prompt and all choices."""
    lengths = [len(choice) for choice in request.choices]
    num_following = sum(lengths) - len(lengths)
    num_branches = sum(length > 1 for length in lengths) - 1
    return (
        len(request.prompt) + num_following <= backend.num_steady
        and 1 + num_following <= backend.num_probes
        and num_branches <= (backend.num_branches if backend.info.shares_prefixes else 0)
    )


@dataclass(slots=True, eq=False)
class ScoreSequence(Sequence):
    """`tokens` is the prompt and the choice that is computed in its own cells.

    `choice` is that choice's index, None when there is none. `pending` are those not begun.
    `log_probabilities` of each choice grow by a token at a time, in order.

    `in_one_step`: all of it is computed in one step, from nothing. Then the result depends neither on
    what runs beside it nor on what ran before, not even by float noise.
    """

    in_one_step: bool = False
    choice: int | None = None
    pending: deque[int] = field(default_factory=deque)
    branches: list[Branch] = field(default_factory=list)
    log_probabilities: list[list[float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        choices = self.request.choices
        assert all(choices), "an empty choice has no probability"
        self.log_probabilities = [[] for _ in choices]
        self.pending = deque(index for index, tokens in enumerate(choices) if len(tokens) > 1)
        self.next_choice()

    def next_choice(self) -> None:
        """Puts the next choice behind the prompt, in place of the last one, whose cells are given back."""
        self.choice = self.pending.popleft() if self.pending else None
        following = [] if self.choice is None else self.request.choices[self.choice]
        self.tokens = [*self.request.prompt, *following]

    @property
    def num_to_prefill(self) -> int:
        """See Sequence: all choices count."""
        return self.num_prompt + sum(len(tokens) - 1 for tokens in self.request.choices)

    @property
    def may_share(self) -> bool:
        """See Sequence: what comes from the cache was computed in some other step."""
        return not self.in_one_step

    @property
    def prompt_left(self) -> int:
        """See Sequence: what is left of choices counts, computed beside or behind the prompt."""
        choices = self.request.choices
        not_asked = sum(map(len, choices)) - max(len(choices), self.num_completion)
        return max(0, self.num_prompt - self.num_computed) + not_asked

    @property
    def num_completion(self) -> int:
        """Tokens of choices whose probability is known."""
        return sum(map(len, self.log_probabilities))

    @property
    def prefix(self) -> list[int]:
        """See Sequence: choices share nothing with others."""
        return self.request.prompt

    def restart(self) -> None:
        """See Sequence: all choices are computed again."""
        Sequence.restart(self)  # slots: the class that super() knows is not this one
        self.__post_init__()

    @property
    def num_stable(self) -> int:
        """See Sequence: what follows the prompt will make room for the next choice."""
        return min(self.num_computed, self.num_prompt)

    @property
    def num_left(self) -> int:
        """Tokens to compute in its own cells before the next choice can go there."""
        return max(self.num_prompt, len(self.tokens) - 1) - self.num_computed

    @property
    def num_unasked(self) -> int:
        """Tokens at the start after which nothing is asked. The first tokens of choices are asked once."""
        return self.num_prompt if self.log_probabilities[0] else self.num_prompt - 1

    @property
    def has_prompt(self) -> bool:
        """Whether the prompt's cells are there."""
        return self.num_computed >= self.num_prompt

    @property
    def done(self) -> bool:
        """Whether every token of every choice has its probability."""
        return self.num_completion == sum(map(len, self.request.choices))

    def asked(self, position: int) -> tuple[list[int], list[int]]:
        """After the token at that position: which choices ask, and for which token each of them."""
        if position == self.num_prompt - 1:
            choices = self.request.choices
            return list(range(len(choices))), [tokens[0] for tokens in choices]
        assert self.choice is not None
        return [self.choice], [self.tokens[position + 1]]

    def learn(self, choices: list[int], log_probabilities: list[float]) -> None:
        """The answer to what `choices` asked."""
        for choice, value in zip(choices, log_probabilities, strict=True):
            self.log_probabilities[choice].append(value)

    def scored_event(self) -> SequenceScored:
        """The result."""
        assert self.done
        return SequenceScored(self.request.request_id, self.log_probabilities)
