"""Requests of callers: domain types, no wire types.

Times are seconds; points in time are on CLOCK_MONOTONIC.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from xapp.domain import chat
from xapp.domain.big_little import BigLittle, Guided, Verified
from xapp.domain.decoding import Decoding
from xapp.domain.format_kinds import Format
from xapp.domain.grounding import Grounding
from xapp.domain.priority import Priority
from xapp.domain.routing import Routing
from xapp.domain.sampling import SamplingParams
from xapp.domain.task_call import TaskCall

ChatMessage = chat.ChatMessage
Prompt: TypeAlias = chat.Prompt


Paired: TypeAlias = Verified | BigLittle | Guided
"""Ways to answer with a little and a big model."""
Strategy: TypeAlias = Decoding | Paired


class DeadlinePolicy(Enum):
    """What happens to a request that would miss its deadline: it is refused, or its answer is cut."""

    REJECT = auto()
    BEST_EFFORT = auto()


@dataclass(frozen=True, slots=True)
class Request:
    """A caller's request, immutable, not yet checked against the model.

    `model` "" is the default. `sampling.seed` None draws a seed. `deadline` None takes the default.
    `client` "" is an unnamed client. Computations are shared within `scope`. A request with a `task` has no
    prompt yet; `task_label`, NAME@VERSION, is set once the task has made the prompt. `max_gap_s`: no longer
    gap between tokens is planned. The answer to a `deterministic` request can be repeated bit for bit.
    `strategy` decides how the answer is decoded; None is the model's default. `routing` None is the node's
    own choice of who answers.
    `retrieval`: the passages that the prompt gets.
    `hops` nodes have sent the request on. A request that is not `counted` is a part of another request, which
    pays the quota.
    """

    prompt: Prompt
    model: str = ""
    sampling: SamplingParams = SamplingParams()
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    priority: Priority = Priority.INTERACTIVE
    correlation_id: str = ""
    deadline: float | None = None
    deadline_policy: DeadlinePolicy = DeadlinePolicy.REJECT
    max_gap_s: float | None = None
    deterministic: bool = False
    strategy: Strategy | None = None
    client: str = ""
    scope: str = ""
    format: Format | None = None
    task: TaskCall | None = None
    task_label: str = ""
    routing: Routing | None = None
    hops: int = 0
    counted: bool = True
    retrieval: Grounding | None = None


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Compares `choices` as continuations of a prompt. `request` has the prompt, the class and the deadline.

    Choices are compared by log-probability or, with `normalize_by_length`, by its mean over the tokens.
    `min_margin`, 0 to 1: with a smaller lead there is no winner. None is 0, or the task's value.
    """

    request: Request
    choices: tuple[str, ...]
    normalize_by_length: bool = False
    min_margin: float | None = None
    include_tokens: bool = False
