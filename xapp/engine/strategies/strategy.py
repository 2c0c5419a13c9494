"""Strategy: how a sequence advances. The scheduler decides who and how many, the strategy which tokens.

It knows one sequence: neither who else runs, nor what a step costs, nor how an answer ends.
"""

from typing import Protocol, TypeVar

from xapp.backend.base import Batch

S_contra = TypeVar("S_contra", contravariant=True)


class Strategy(Protocol[S_contra]):
    """Of a sequence `S_contra`. What has no state may be one object for all sequences.

    A step calls `plan`, then `update` if the plan asked for outputs or probes. A step that is interrupted
    has no `update`: the next `plan` starts from the same cells.
    """

    @property
    def draws(self) -> bool:
        """Whether tokens are drawn, so that the sequence needs a sampler."""
        ...

    @property
    def may_share(self) -> bool:
        """Whether the sequence may begin with cells that others have computed."""
        ...

    @property
    def keeps_answer(self) -> bool:
        """Whether the cells behind the prompt stay, so that others may share them and go on from there."""
        ...

    @property
    def shares_step(self) -> bool:
        """Whether a step may go on with the next prompt where this one ends early."""
        ...

    @property
    def most_tokens(self) -> int:
        """Tokens of a step with a part of its prompt, at most; 0: any number."""
        ...

    @property
    def num_beside(self) -> int:
        """Tokens to compute besides the prompt before there is a result."""
        ...

    @property
    def num_spare(self) -> int:
        """Cells that it may need beyond those that it keeps: for drafts that are rejected."""
        ...

    @property
    def num_drafted(self) -> int:
        """Drafts that were computed so far."""
        ...

    @property
    def num_accepted(self) -> int:
        """Of them, those that were right."""
        ...

    def plan(self, sequence: S_contra, batch: Batch, room: int) -> int:
        """Puts at most `room` tokens into the batch, with the outputs and probes that it wants.

        Returns how many of the tokens get cells of the sequence's own: they follow those that it has.
        """
        ...

    def update(self, sequence: S_contra, drawn: list[int], read: list[list[float]]) -> list[int]:
        """What came of the plan: a token for each output, NOT_DRAWN behind a draft that was rejected, and the
        log-probabilities for each probe. The tokens of the plan have their cells.

        Returns the tokens of the answer that follow, in order. A strategy with a result of another kind sets
        `sequence.result` when the result is whole.
        """
        ...

    def prompt_left(self, sequence: S_contra) -> int:
        """Tokens still to compute before the next token of the answer, or before the result."""
        ...

    def num_completion(self, sequence: S_contra) -> int:
        """Tokens of the result so far."""
        ...

    def restart(self, sequence: S_contra) -> None:
        """The sequence's cells are gone: it computes all of its tokens again."""
        ...

    def give_back(self, sequence: S_contra) -> None:
        """The sequence ended, or its cells go: gives back what the strategy holds beside them."""
        ...
