"""Lookout: reads messages during a step, and interrupts the step for an urgent message.

A step with a part of a prompt may take a second, and urgent requests must not wait for its end. The worker
therefore reads its messages meanwhile. It interrupts the step for a message that `Watch` names, or when the
deadline of the prompt passes. The work of the step is lost then, at most once for each prompt until the
prompt advances.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from xapp.domain.messages import Cancel, Priority, Shutdown, Submit, ToWorker
from xapp.engine.plan import Plan
from xapp.engine.sequence import NEVER, Sequence

LONG_S = 0.03
"""A shorter step is not watched: an interruption would gain nothing."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Ends a step for a request that goes before `order` (class, deadline), for a cancel of `request_id`, and
    at `deadline` on CLOCK_MONOTONIC.
    """

    order: tuple[float, float]
    request_id: int | None = None
    deadline: float = NEVER

    def ends_for(self, message: ToWorker) -> bool:
        """Whether this message ends the step."""
        match message:
            case Submit():
                deadline = NEVER if message.deadline is None else message.deadline
                return not message.pin and (message.priority, deadline) < self.order
            case Cancel(request_id):
                return request_id == self.request_id
            case Shutdown():
                return True
        return False


ANY_EVENT = Watch((NEVER, NEVER))
"""Any request ends the step: the step serves no request itself."""


def watch_for(plan: Plan, predicted_s: float) -> Watch | None:
    """The events that end this step; None where the step always runs to its end.

    A step with prompts alone ends for a more urgent request, and for its own cancel or deadline. A step with
    decoding sequences ends for a critical request only, because each of them waits for its next token.
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
    """Reads the worker's messages during a step."""

    def watching(self, watch: Watch) -> AbstractContextManager[None]:
        """While the block runs: interrupts the backend when a message that ends the step arrives."""
        ...


class NoLookout:
    """Runs every step to its end."""

    @contextmanager
    def watching(self, watch: Watch) -> Iterator[None]:
        """Does nothing."""
        yield
