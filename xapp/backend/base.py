"""The seam between the engine and whatever computes: `backend.llama` for real, `backend.fake` for tests.

A Backend owns one model and one context. It is used by one thread. It knows tokens and sequence
ids, neither requests nor text.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from xapp.backend.interrupt import Interrupt
from xapp.domain.messages import ModelInfo, SamplingParams, Tuning

NOT_DRAWN = -1
"""In place of a token, behind a draft that was wrong or behind the end of an answer."""


class Outcome(enum.Enum):
    """What the token drawn last means for the answer."""

    OPEN = enum.auto()
    """It goes on."""
    COMPLETE = enum.auto()
    """It is whole: its grammar allows nothing to follow."""
    STUCK = enum.auto()
    """Its grammar took too much work, or no token goes on. The token drawn last does not count."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How likely is each of `tokens` after the batch's token `index`?"""

    index: int
    tokens: list[int]


@dataclass(slots=True)
class Batch:
    """The input of one decode: four parallel lists of equal length, one entry a token.

    `outputs` lists the indices after which a token is drawn, ascending. `probes` lists those after
    which the probabilities of given tokens are read, ascending too and apart from `outputs`. `shared`
    maps an index to further sequence ids, empty so far, that the token becomes part of with its one cell.
    The first `num_decode` tokens are those of answers; prompts follow. `drafts` are the indices of tokens
    that are only guessed. Each follows a token of its sequence that has an output, and has an output itself,
    whose token is drawn only where the token drawn before it is the guess.
    `split` says how many tokens to compute at a time, where all tokens have an output; empty: all.
    `isolated`: all tokens are of the one sequence that has a KV cache of its own, as its sequence id 0.
    """

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    seq_ids: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    probes: list["Probe"] = field(default_factory=list)
    shared: dict[int, list[int]] = field(default_factory=dict)
    drafts: set[int] = field(default_factory=set)
    num_decode: int = 0
    split: list[int] = field(default_factory=list)
    isolated: bool = False

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def num_read(self) -> int:
        """Cells that attention reads, for all tokens together: a token's position is their number."""
        return sum(self.positions)

    def parts(self) -> Iterator["Batch"]:
        """The batch as it is to be computed: whole, or cut as `split` says."""
        if len(self.split) < 2:
            yield self
            return
        start = 0
        for count in self.split:
            end = start + count
            yield Batch(
                self.tokens[start:end],
                self.positions[start:end],
                self.seq_ids[start:end],
                list(range(count)),
                drafts={index - start for index in self.drafts if start <= index < end},
            )
            start = end

    def add(self, token: int, position: int, seq_id: int) -> None:
        """Appends one token without output."""
        self.tokens.append(token)
        self.positions.append(position)
        self.seq_ids.append(seq_id)

    def extend(self, tokens: list[int], start: int, seq_id: int) -> None:
        """Appends consecutive tokens of one sequence from position `start` on, without output."""
        count = len(tokens)
        self.tokens += tokens
        self.positions += range(start, start + count)
        self.seq_ids += [seq_id] * count

    def add_draft(self, token: int, position: int, seq_id: int) -> None:
        """Appends a guessed token with an output."""
        self.drafts.add(len(self.tokens))
        self.add(token, position, seq_id)
        self.want_output()

    def want_output(self) -> None:
        """Asks for a token after the last one added."""
        self.outputs.append(len(self.tokens) - 1)

    def is_wrong(self, index: int, before: int, outcome: Outcome) -> bool:
        """Whether a token is a draft that does not count: `before`, drawn in its place, is another token or
        ended the answer.
        """
        return index in self.drafts and (before != self.tokens[index] or outcome is not Outcome.OPEN)

    def want_log_probabilities(self, tokens: list[int]) -> None:
        """Asks how likely each of `tokens` is after the last one added."""
        self.probes.append(Probe(len(self.tokens) - 1, tokens))


class Sampler(Protocol):
    """Draws tokens for one sequence; keeps the state that its parameters need. How it draws is between it and
    its backend.
    """

    @property
    def outcome(self) -> Outcome:
        """OPEN for ever without a grammar."""
        ...

    def accept(self, token: int) -> bool:
        """Takes a token that was chosen elsewhere as if it had been drawn, but for the random numbers.

        False where the grammar does not allow it; nothing has changed then.
        """
        ...

    def mark(self) -> object:
        """The state now: penalties, the place in the grammar, random numbers. It costs memory."""
        ...

    def rollback(self, mark: object) -> None:
        """Goes back to a mark of this sampler, as if nothing had been drawn or accepted since. A mark can be
        gone back to more than once.
        """
        ...

    def close(self) -> None:
        """Frees native memory. Safe to call twice."""
        ...


class StatelessSampler:
    """Has nothing to mark: for the plain argmax, and for what draws nothing."""

    outcome = Outcome.OPEN

    def accept(self, token: int) -> bool:
        """Every token is allowed."""
        return True

    def mark(self) -> object:
        """There is one state."""
        return None

    def rollback(self, mark: object) -> None:
        """Changes nothing."""

    def close(self) -> None:
        """Nothing to free."""


NO_SAMPLER = StatelessSampler()
"""Of a sequence that is not admitted yet, or draws nothing."""


class DecodeError(Exception):
    """The backend could not compute a batch. `code` is llama_decode's return value."""

    def __init__(self, code: int) -> None:
        super().__init__(f"llama_decode returned {code}")
        self.code = code


class Interrupted(Exception):
    """A decode was ended from another thread. Nothing was computed."""


class Backend(Protocol):
    """One model, one context, `num_sequences` sequence ids from 0."""

    @property
    def info(self) -> ModelInfo:
        """What was loaded and how it was sized."""
        ...

    @property
    def num_sequences(self) -> int:
        """Sequence ids for slots and cached prefixes together."""
        ...

    @property
    def num_branches(self) -> int:
        """Further sequence ids, from `num_sequences` on, each for what branches off a running sequence."""
        ...

    @property
    def num_probes(self) -> int:
        """Probes one batch may have, at least 1: each costs logits of the whole vocabulary."""
        ...

    @property
    def num_steady(self) -> int:
        """Tokens up to which a batch gives each of them the same logits, whatever else is in it.

        0 where there is no such number. It is a promise for cells in the order of positions only.
        """
        ...

    @property
    def interrupt(self) -> Interrupt:
        """Ends a decode that runs, where the backend can."""
        ...

    def is_end(self, token: int) -> bool:
        """Whether the token ends an answer."""
        ...

    def new_sampler(self, params: SamplingParams, prompt: list[int], scope: str = "") -> Sampler:
        """A sampler for one sequence; the repeat penalty sees the prompt's tail.

        What is worked out for a grammar is shared within `scope`.
        """
        ...

    def decode(self, batch: Batch, samplers: list[Sampler]) -> list[int]:
        """Computes the batch and draws one token for each of `batch.outputs`, in order.

        `samplers` is parallel to `batch.outputs`. NOT_DRAWN stands behind a draft that was wrong.
        Raises DecodeError when nothing was computed, Interrupted when `interrupt` ended it; the cells of the
        batch are then as they were before.
        """
        ...

    def log_probabilities(self, batch: Batch) -> list[list[float]]:
        """Natural logarithms for each of the probes of the batch that was just decoded, in order.

        To be called before anything else is decoded.
        """
        ...

    def copy_prefix(self, source: int, target: int, length: int) -> None:
        """Makes the first `length` positions of `source` part of `target` as well, sharing cells."""
        ...

    def remove(self, seq_id: int, start: int = 0) -> None:
        """Forgets positions from `start` on."""
        ...

    def open_isolated(self, num_tokens: int) -> bool:
        """Makes a KV cache for one sequence of so many tokens, beside the one that all others share; False
        when there is no memory. What is computed in it depends on nothing else that the backend does.
        """
        ...

    def close_isolated(self) -> None:
        """Frees that cache; nothing to do where there is none."""
        ...

    @property
    def thread_choices(self) -> tuple[int, ...]:
        """Numbers of compute threads that may be tried, the one in use first; none: not to be changed."""
        ...

    def set_threads(self, single: int, batch: int) -> None:
        """From the next decode on: threads for a step of one token, and for a larger one."""
        ...

    def remember(self, tuning: Tuning) -> None:
        """Takes what was measured into `info`, and keeps it for the next load of the model on this node."""
        ...

    def save(self, seq_id: int) -> object:
        """A copy of all that the sequence's cells hold, in ordinary memory."""
        ...

    def restore(self, seq_id: int, state: object) -> bool:
        """Puts what `save` gave into a sequence id that is empty; False when there is no room for it."""
        ...

    def close(self) -> None:
        """Frees model and context."""
        ...
