"""What a caller asks: domain types, no wire types.

Times are seconds; points in time are on CLOCK_MONOTONIC.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from xapp.domain import chat
from xapp.domain.format_kinds import Format
from xapp.domain.messages import Ngram
from xapp.domain.priority import Priority
from xapp.domain.sampling import SamplingParams
from xapp.domain.task_call import TaskCall

ChatMessage = chat.ChatMessage
Prompt: TypeAlias = chat.Prompt


class DeadlinePolicy(Enum):
    """What becomes of a request that will not make its deadline: refused, or its answer cut there."""

    REJECT = auto()
    BEST_EFFORT = auto()


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked, immutable, not yet checked against the model.

    `model` "" is the default. `sampling.seed` None draws one. `deadline` None takes the default.
    `client` "" has not said who it is; what is computed is shared within `scope`. With `task` there is no
    prompt yet; `task_label`, NAME@VERSION, is set once the task has made it. `max_gap_s`: no gap between
    tokens is planned to be longer. The answer to a `deterministic` one can be repeated bit for bit.
    `strategy` says how it is decoded.
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
    strategy: Ngram | None = None
    client: str = ""
    scope: str = ""
    format: Format | None = None
    task: TaskCall | None = None
    task_label: str = ""


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """How likely is each of `choices` after a prompt? `request` says which prompt, and how it waits.

    Choices are compared by log-probability, by that of a token on average with `normalize_by_length`.
    `min_margin`, 0 to 1: below it nobody wins; None is 0, or the task's.
    """

    request: Request
    choices: tuple[str, ...]
    normalize_by_length: bool = False
    min_margin: float | None = None
    include_tokens: bool = False
