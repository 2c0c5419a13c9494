"""Lookout: what may end a step before it is computed, and who looks out for it.

A step with a prompt in it may take a second. Nobody who must not wait waits for its end: the worker reads
its messages meanwhile, and interrupts the step for a message that `Watch` names, or when the deadline of
the prompt passes. What the step computed is lost then, at most once for each prompt until it gets on.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from xapp.domain.messages import Cancel, Priority, Shutdown, Submit, ToWorker
from xapp.engine.plan import Plan
from xapp.engine.sequence import NEVER, Sequence

LONG_S = 0.03
"""A shorter step is not worth watching."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Ends a step for a request that goes before `order` (class, deadline), for a cancel of `request_id`, and
    at `deadline` on CLOCK_MONOTONIC.
    """

    order: tuple[float, float]
    request_id: int | None = None
    deadline: float = NEVER

    def ends_for(self, message: ToWorker) -> bool:
        """Whether the step must not go on once this message is there."""
        match message:
            case Submit():
                deadline = NEVER if message.deadline is None else message.deadline
                return not message.pin and (message.priority, deadline) < self.order
            case Cancel(request_id):
                return request_id == self.request_id
            case Shutdown():
                return True
        return False


ANYBODY = Watch((NEVER, NEVER))
"""Ends a step that nobody waits for."""


def watch_for(plan: Plan, predicted_s: float) -> Watch | None:
    """What may end this step; None where it is to be computed whatever comes.

    A prompt alone makes way for a more urgent request, and ends with its own cancel or deadline. Beside
    sequences that decode only a critical request ends the step: each of them waits for its next token.
    """
    prompts = plan.prompts
    if predicted_s < LONG_S or not plan.may_be_interrupted or any(each.interrupted for each in prompts):
        return None
    first = min(prompts, key=_order)
    if plan.num_decode:
        rank = min(first.rank, *(each.rank for each in plan.outputs))
        return Watch((min(rank, Priority.CRITICAL + 1), -NEVER))
    return Watch(_order(first), first.request.request_id, _order(first)[1])


def _order(sequence: Sequence) -> tuple[float, float]:
    return sequence.rank, sequence.ends_by


class Lookout(Protocol):
    """Whoever reads the worker's messages."""

    def over(self, watch: Watch) -> AbstractContextManager[None]:
        """Interrupts the backend when something comes that ends the step, as long as the block runs."""
        ...


class NoLookout:
    """Lets every step go to its end."""

    @contextmanager
    def over(self, watch: Watch) -> Iterator[None]:
        """Does nothing."""
        yield
