"""Strategy: how a sequence advances. The scheduler selects sequences and bounds their tokens, a strategy
selects the tokens.

A strategy knows one sequence. It does not know other sequences, the cost of a step, or the end of an answer.
"""

from typing import Protocol, TypeVar

from xapp.backend.base import Batch

S_contra = TypeVar("S_contra", contravariant=True)


class Strategy(Protocol[S_contra]):
    """The strategy of a sequence `S_contra`. A strategy without state may serve all sequences.

    A step calls `plan`, then `update` if the plan has outputs or probes. An interrupted step has no `update`,
    and the next `plan` starts from the same cells.
    """

    @property
    def draws(self) -> bool:
        """Whether it draws tokens, so that the sequence needs a sampler."""
        ...

    @property
    def may_share(self) -> bool:
        """Whether the sequence may reuse cells that other sequences computed."""
        ...

    @property
    def keeps_answer(self) -> bool:
        """Whether the cells behind the prompt stay, so that other sequences may share them."""
        ...

    @property
    def shares_step(self) -> bool:
        """Whether a step may continue with the next prompt where this prompt ends early."""
        ...

    @property
    def most_tokens(self) -> int:
        """Largest number of tokens in a step that has a part of the prompt; 0: no limit."""
        ...

    @property
    def num_beside(self) -> int:
        """Tokens to compute in addition to the prompt before the result is complete."""
        ...

    @property
    def num_spare(self) -> int:
        """Cells that it may need in addition to those that it keeps, for rejected drafts."""
        ...

    @property
    def num_drafted(self) -> int:
        """Drafts computed so far."""
        ...

    @property
    def num_accepted(self) -> int:
        """Accepted drafts so far."""
        ...

    @property
    def num_draft_steps(self) -> int:
        """Steps with drafts so far."""
        ...

    @property
    def gain(self) -> float:
        """The predicted time of its tokens at one token a step, divided by that of its steps."""
        ...

    def plan(self, sequence: S_contra, batch: Batch, room: int) -> int:
        """Puts at most `room` tokens into the batch, with their outputs and probes.

        Returns the number of tokens that get cells of the sequence's own, directly behind its present cells.
        """
        ...

    def update(self, sequence: S_contra, drawn: list[int], read: list[list[float]]) -> list[int]:
        """Takes the outputs of the plan: a token for each output (NOT_DRAWN behind a rejected draft), and the
        log-probabilities for each probe. The tokens of the plan have their cells by now.

        Returns the next tokens of the answer, in order. A strategy with another kind of result sets
        `sequence.result` when the result is complete.
        """
        ...

    def prompt_left(self, sequence: S_contra) -> int:
        """Tokens still to compute before the next token of the answer, or before the result."""
        ...

    def num_completion(self, sequence: S_contra) -> int:
        """Tokens of the result so far."""
        ...

    def restart(self, sequence: S_contra) -> None:
        """The sequence lost its cells: it computes all of its tokens again."""
        ...

    def give_back(self, sequence: S_contra) -> None:
        """Frees what the strategy holds in addition to the sequence's cells: the sequence ended or was
        evicted.
        """
        ...
