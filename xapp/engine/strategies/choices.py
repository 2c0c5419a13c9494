"""Choices: the progress of scoring several continuations of one prompt."""

from collections import deque

from xapp.backend.base import Backend
from xapp.domain.messages import Submit


class Choices:
    """The choices of one request. `current` is the index of the choice behind the prompt, or None.

    `pending`: choices not started. `log_probabilities` grow by one token of a choice at a time, in order.
    """

    def __init__(self, choices: list[list[int]]) -> None:
        assert all(choices), "an empty choice has no probability"
        self._choices = choices
        self.num_following = sum(len(tokens) - 1 for tokens in choices)
        """Tokens to compute behind the prompt for all choices. The last token of a choice is never
        computed."""
        self._num_tokens = self.num_following + len(choices)
        self.begin()

    def begin(self) -> None:
        """Starts from nothing, the first time or again."""
        self.current: int | None = None
        self.pending = deque(index for index, tokens in enumerate(self._choices) if len(tokens) > 1)
        self.log_probabilities: list[list[float]] = [[] for _ in self._choices]

    def next(self) -> list[int]:
        """Makes the first pending choice the current choice. Returns its tokens."""
        self.current = self.pending.popleft()
        return self._choices[self.current]

    @property
    def first_tokens(self) -> list[int]:
        """The first token of each choice, whose probability follows from the prompt."""
        return [tokens[0] for tokens in self._choices]

    @property
    def begun(self) -> bool:
        """Whether the first tokens have their probability."""
        return bool(self.log_probabilities[0])

    @property
    def num_known(self) -> int:
        """Tokens whose probability is known."""
        return sum(map(len, self.log_probabilities))

    @property
    def num_without_probe(self) -> int:
        """Tokens behind the prompt that are still to compute."""
        return self._num_tokens - max(len(self._choices), self.num_known)

    @property
    def done(self) -> bool:
        """Whether every token of every choice has its probability."""
        return self.num_known == self._num_tokens

    def learn(self, choices: list[int], log_probabilities: list[float]) -> None:
        """Adds a log-probability to each of `choices`."""
        for choice, value in zip(choices, log_probabilities, strict=True):
            self.log_probabilities[choice].append(value)


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
