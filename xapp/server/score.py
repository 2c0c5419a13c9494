"""Converts Score: `to_score` checks everything that needs no model, `response` makes the answer."""

import math
from collections.abc import Sequence

from xapp.domain.answers import ChoiceScore, ScoreResult
from xapp.domain.requests import Request, ScoreRequest
from xapp.durations import to_duration
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.security.principal import ANONYMOUS, Principal
from xapp.server.convert.priority import to_priority
from xapp.server.convert.prompt import to_prompt
from xapp.server.respond import provenance, token_score, usage
from xapp.server.tasks import to_call

MAX_CHOICES = 256


def to_score(
    wire: pb.ScoreRequest, correlation_id: str, deadline: float | None, caller: Principal = ANONYMOUS
) -> ScoreRequest:
    """A ScoreRequest. `deadline` is on CLOCK_MONOTONIC. Raises InvalidArgument with the field."""
    priority = to_priority(wire.priority)
    task = to_call(wire, priority)
    if task is not None and wire.choices:
        raise InvalidArgument("choices", "cannot be set beside task, which has its own")
    return ScoreRequest(
        request=Request(
            prompt=to_prompt(wire) if task is None else (),
            model=wire.model,
            priority=priority,
            correlation_id=correlation_id,
            deadline=deadline,
            client=caller.name,
            scope=caller.scope,
            task=task,
        ),
        choices=to_choices(wire.choices) if task is None else (),
        normalize_by_length=wire.normalize_by_length,
        min_margin=_min_margin(wire.min_margin) if wire.HasField("min_margin") else None,
        include_tokens=wire.include_tokens,
    )


def to_choices(wire: Sequence[str]) -> tuple[str, ...]:
    """1 to 256 texts, none empty, no two equal."""
    if not 1 <= len(wire) <= MAX_CHOICES:
        raise InvalidArgument("choices", f"has {len(wire)} texts, 1 to {MAX_CHOICES} are allowed")
    seen: dict[str, int] = {}
    for index, choice in enumerate(wire):
        if not choice:
            raise InvalidArgument(f"choices[{index}]", "is empty")
        if (first := seen.setdefault(choice, index)) != index:
            raise InvalidArgument(f"choices[{index}]", f"is the same as choices[{first}]")
    return tuple(wire)


def _min_margin(value: float) -> float:
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise InvalidArgument("min_margin", f"{value:g} is out of range: it must be from 0 to 1")
    return value


def response(result: ScoreResult) -> pb.ScoreResponse:
    """The answer."""
    return pb.ScoreResponse(
        model=result.started.model,
        choices=[_choice(choice) for choice in result.choices],
        winner=result.winner,
        abstained=result.winner is None,
        margin=result.margin,
        usage=usage(result.finished),
        timing=pb.Timing(
            queue=to_duration(result.finished.queue_s), prefill=to_duration(result.finished.prefill_s)
        ),
        provenance=provenance(result.started.provenance),
    )


def _choice(choice: ChoiceScore) -> pb.ChoiceScore:
    return pb.ChoiceScore(
        choice=choice.choice,
        log_probability=choice.log_probability,
        num_tokens=choice.num_tokens,
        score=choice.score,
        probability=choice.probability,
        tokens=map(token_score, choice.tokens),
    )
