"""The interface between the engine and a backend: `backend.llama` for service, `backend.fake` for tests.

A Backend owns one model and one context. It is used by one thread. It knows tokens and sequence
ids, neither requests nor text.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

from xapp.backend.draft_model import DraftModel
from xapp.backend.interrupt import Interrupt
from xapp.domain.messages import ModelInfo, SamplingParams, Tuning

NOT_DRAWN = -1
"""Replaces a token behind a rejected draft or behind the end of an answer."""


class Outcome(enum.Enum):
    """What the last drawn token means for the answer."""

    OPEN = enum.auto()
    """The answer goes on."""
    COMPLETE = enum.auto()
    """The answer is complete: its grammar allows no further token."""
    STUCK = enum.auto()
    """The grammar took too much work, or allows no token. The last drawn token does not count."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A request for the probabilities of `tokens` after the batch's token `index`.

    Without tokens: the probability of the likeliest token.
    """

    index: int
    tokens: list[int]


@dataclass(slots=True)
class Batch:
    """The input of one decode: four parallel lists of equal length, one entry a token.

    `outputs` has the indices after which a token is drawn, ascending. `probes` has the indices after which
    the probabilities of given tokens are read, ascending. `shared` maps an
    index to further, so far empty sequence ids, which share the token's cell. The first `num_decode` tokens
    belong to answers, the others to prompts. `drafts` are the indices of drafts. Each draft follows a token
    of its sequence with an output, and has an output itself. That output is drawn only where the token
    drawn before equals the draft. `apart`: the prompts are computed first, then the answers; there are no
    probes, no drafts and no shared cells. `split` has the numbers of tokens of answers to compute at a time;
    empty: all at once. `num_cells` are in use before the step. `isolated`: all tokens are of the one sequence
    in the separate KV cache, as its sequence id 0.
    """

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    seq_ids: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    probes: list["Probe"] = field(default_factory=list)
    shared: dict[int, list[int]] = field(default_factory=dict)
    drafts: set[int] = field(default_factory=set)
    num_decode: int = 0
    apart: bool = False
    split: list[int] = field(default_factory=list)
    num_cells: int = 0
    isolated: bool = False

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def num_read(self) -> int:
        """Cells that attention reads, for all tokens together: a token reads as many as its position."""
        return sum(self.positions)

    def parts(self) -> Iterator["Batch"]:
        """The batches to compute: the whole batch, or its parts by `split`."""
        if len(self.split) < 2:
            yield self
            return
        start = 0
        for count in self.split:
            yield self._part(start, start + count)
            start += count

    def answers(self) -> "Batch":
        """The answers alone."""
        answers = self._part(0, self.num_decode)
        answers.split = self.split
        return answers

    def all_prompts(self) -> "Batch":
        """The prompts alone."""
        return self._part(self.num_decode, len(self)) if self.num_decode else self

    def prompts(self) -> Iterator["Batch"]:
        """The tokens of each prompt."""
        start = self.num_decode
        for _, run in groupby(self.seq_ids[start:]):
            count = sum(1 for _ in run)
            yield self._part(start, start + count)
            start += count

    def _part(self, start: int, end: int) -> "Batch":
        return Batch(
            self.tokens[start:end],
            self.positions[start:end],
            self.seq_ids[start:end],
            [index - start for index in self.outputs if start <= index < end],
            drafts={index - start for index in self.drafts if start <= index < end},
        )

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
        """Appends a draft with an output."""
        self.drafts.add(len(self.tokens))
        self.add(token, position, seq_id)
        self.want_output()

    def want_output(self) -> None:
        """Requests an output after the last token."""
        self.outputs.append(len(self.tokens) - 1)

    def is_wrong(self, index: int, before: int, outcome: Outcome) -> bool:
        """Whether a token is a rejected draft: `before`, drawn in its place, is another token or ended the
        answer.
        """
        return index in self.drafts and (before != self.tokens[index] or outcome is not Outcome.OPEN)

    def want_log_probabilities(self, tokens: list[int]) -> None:
        """Requests the probabilities of `tokens` after the last token; []: that of the likeliest token."""
        self.probes.append(Probe(len(self.tokens) - 1, tokens))


class Sampler(Protocol):
    """Draws tokens for one sequence, and keeps the state that its parameters need. The backend knows how
    each of its samplers draws.
    """

    @property
    def outcome(self) -> Outcome:
        """Always OPEN without a grammar."""
        ...

    def accept(self, token: int) -> bool:
        """Takes a token that was chosen elsewhere, as if it had been drawn, but without random numbers.

        False where the grammar does not allow the token. Nothing has changed then.
        """
        ...

    def mark(self) -> object:
        """The present state: penalties, position in the grammar, random numbers. It takes memory."""
        ...

    def rollback(self, mark: object) -> None:
        """Returns to a mark of this sampler, as if no token had been drawn or accepted since. A mark may be
        used several times.
        """
        ...

    def close(self) -> None:
        """Frees native memory. Safe to call twice."""
        ...


class StatelessSampler:
    """A sampler without state: for the plain argmax, and for sequences that draw nothing."""

    outcome = Outcome.OPEN

    def accept(self, token: int) -> bool:
        """Allows every token."""
        return True

    def mark(self) -> object:
        """The only state."""
        return None

    def rollback(self, mark: object) -> None:
        """Changes nothing."""

    def close(self) -> None:
        """Nothing to free."""


NO_SAMPLER = StatelessSampler()
"""The sampler of a sequence that is not admitted yet, or draws nothing."""


class DecodeError(Exception):
    """The backend could not compute a batch. `code` is llama_decode's return value."""

    def __init__(self, code: int) -> None:
        super().__init__(f"llama_decode returned {code}")
        self.code = code


class Interrupted(Exception):
    """Another thread ended a decode. Nothing was computed."""


class Backend(Protocol):
    """One model, one context, `num_sequences` sequence ids from 0."""

    @property
    def info(self) -> ModelInfo:
        """The loaded model and its size."""
        ...

    @property
    def num_sequences(self) -> int:
        """Sequence ids for slots and cached prefixes together."""
        ...

    @property
    def num_branches(self) -> int:
        """Further sequence ids, from `num_sequences` on, for branches of running sequences."""
        ...

    @property
    def num_probes(self) -> int:
        """Largest number of probes of a batch, at least 1: each costs logits of the whole vocabulary."""
        ...

    @property
    def num_steady(self) -> int:
        """Largest number of tokens of a batch in which each token's logits do not depend on the others.

        0 where there is no such number. It holds for cells in the order of positions only.
        """
        ...

    @property
    def draft(self) -> DraftModel | None:
        """The draft model beside the model."""
        ...

    @property
    def interrupt(self) -> Interrupt:
        """Ends a running decode, where the backend can do that."""
        ...

    def is_end(self, token: int) -> bool:
        """Whether the token ends an answer."""
        ...

    def new_sampler(self, params: SamplingParams, prompt: list[int], scope: str = "") -> Sampler:
        """A sampler for one sequence. The repeat penalty considers the prompt's tail.

        Work on a grammar is shared within `scope`.
        """
        ...

    def decode(self, batch: Batch, samplers: list[Sampler]) -> list[int]:
        """Computes the batch and draws one token for each of `batch.outputs`, in order.

        `samplers` is parallel to `batch.outputs`. A rejected draft is followed by NOT_DRAWN.
        Raises DecodeError when nothing was computed, Interrupted when `interrupt` ended it. The cells of the
        batch are then as they were before.
        """
        ...

    def log_probabilities(self, batch: Batch) -> list[list[float]]:
        """Natural logarithms for each probe of the last decoded batch, in order.

        To be called before the next decode.
        """
        ...

    def copy_prefix(self, source: int, target: int, length: int) -> None:
        """Adds the first `length` positions of `source` to `target`, with shared cells."""
        ...

    def remove(self, seq_id: int, start: int = 0) -> None:
        """Removes positions from `start` on."""
        ...

    def open_isolated(self, num_tokens: int) -> bool:
        """Makes a separate KV cache for one sequence of so many tokens. False without memory. The results
        of steps in it depend on nothing else that the backend computes.
        """
        ...

    def close_isolated(self) -> None:
        """Frees the separate cache, if there is one."""
        ...

    @property
    def thread_choices(self) -> tuple[int, ...]:
        """Numbers of compute threads to measure, the present number first; empty: not to be changed."""
        ...

    def set_threads(self, single: int, batch: int) -> None:
        """Sets the threads from the next decode on: for a step of one token, and for a larger step."""
        ...

    def remember(self, tuning: Tuning) -> None:
        """Puts measurements into `info`, and stores them for the next load of the model on this node."""
        ...

    def save(self, seq_id: int) -> object:
        """A copy of the content of a sequence's cells in ordinary memory."""
        ...

    def restore(self, seq_id: int, state: object) -> bool:
        """Loads a state from `save` into an empty sequence id. False when there is no room for it."""
        ...

    def close(self) -> None:
        """Frees model and context."""
        ...
