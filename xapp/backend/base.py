"""The interface between the engine and a backend: `backend.llama` for service, `backend.fake` for tests.

A Backend owns one model and one context. It is used by one thread. It knows tokens and sequence
ids, neither requests nor text. This module has all that the engine needs of a backend.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from xapp.backend.batch import Batch, Probe
from xapp.backend.draft_model import DraftModel
from xapp.backend.interrupt import Interrupt
from xapp.backend.sampler import NO_SAMPLER, Outcome, Sampler, StatelessSampler
from xapp.domain.messages import ModelInfo, SamplingParams, Tuning

__all__ = [
    "NOT_DRAWN",
    "NO_SAMPLER",
    "Backend",
    "Batch",
    "DecodeError",
    "Interrupted",
    "Outcome",
    "Pooling",
    "Probe",
    "Sampler",
    "StatelessSampler",
]

NOT_DRAWN = -1
"""Replaces a token behind a rejected draft or behind the end of an answer."""


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
        """Natural logarithms for each probe of the last decoded batch, in order. For a probe of a hidden
        state: its numbers.

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


@runtime_checkable
class Pooling(Protocol):
    """A backend that turns texts into vectors. It keeps no cells between two batches."""

    def vectors(self, places: Sequence[int], dimensions: int, *, normalized: bool) -> bytes:
        """The vectors of some texts of the last decoded batch, by their sequence ids there: float32, one
        after the other, `dimensions` numbers each. 0: all numbers of the model.
        """
        ...
