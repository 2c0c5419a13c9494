"""What OpenAI's dialect has no word for: deadline, class, task, passages, and names of request and caller.

Each is a field of the body, which OpenAI's clients send with `extra_body`. Some are headers as well, for
proxies and for clients that cannot change the body. A field wins over a header.
"""

from collections.abc import Mapping
from time import monotonic
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from xapp.domain.grounding import Grounding, NothingFound
from xapp.domain.priority import Priority
from xapp.domain.requests import DeadlinePolicy
from xapp.domain.task_call import TaskCall
from xapp.edge import caller_text
from xapp.edge.retrieval_fields import to_grounding
from xapp.errors import InvalidArgument

DEADLINE, POLICY, PRIORITY = "X-Deadline-Ms", "X-Deadline-Policy", "X-Priority"
CORRELATION, CLIENT = "X-Correlation-Id", "X-Client-Id"
MAX_MS = 86_400_000
"""A day."""
MAX_TASK_CHARS = 128
MAX_INPUT_BYTES = 64 * 1024
MAX_INPUT_DEPTH = 16

Milliseconds = Annotated[float, Meta(gt=0, le=MAX_MS)]
POLICIES = {"reject": DeadlinePolicy.REJECT, "best_effort": DeadlinePolicy.BEST_EFFORT}
PRIORITIES = {each.name.lower(): each for each in Priority}


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of every body whose request waits for its turn."""

    deadline_ms: Milliseconds | None = None
    priority: str | None = None
    correlation_id: str | None = None


class RetrievalFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The passages that the answer gets."""

    collection: str
    top_k: int | None = None
    min_score: float = 0.0
    filter: dict[str, Any] | None = None
    max_context_tokens: int | None = None
    on_nothing: Literal["fail", "abstain"] = "fail"
    query: str = ""


class Extensions(Waiting, frozen=True, kw_only=True):
    """The fields of a body that asks for an answer, beyond those of the dialect."""

    deadline_policy: str | None = None
    max_token_gap_ms: Milliseconds | None = None
    deterministic: bool | None = None
    ignore_eos: bool | None = None
    task: Annotated[str, Meta(min_length=1, max_length=MAX_TASK_CHARS)] | None = None
    inputs: dict[str, Any] | None = None
    input_timestamp: Annotated[float, Meta(ge=0, le=1e11)] | None = None
    retrieval: RetrievalFields | None = None


def deadline(fields: Waiting, headers: Mapping[str, str]) -> float | None:
    """On CLOCK_MONOTONIC; None where the caller set none."""
    milliseconds = fields.deadline_ms
    if milliseconds is None and (text := headers.get(DEADLINE)):
        milliseconds = _milliseconds(text)
    return None if milliseconds is None else monotonic() + milliseconds / 1000


def _milliseconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InvalidArgument(DEADLINE, f"{text[:32]!r} is no number of milliseconds") from None
    if not 0 < value <= MAX_MS:
        raise InvalidArgument(DEADLINE, f"must be above 0 and at most {MAX_MS}")
    return value


def deadline_policy(fields: Extensions, headers: Mapping[str, str]) -> DeadlinePolicy:
    """What happens when the deadline will be missed."""
    return _one_of("deadline_policy", fields.deadline_policy, POLICY, headers, POLICIES) or POLICIES["reject"]


def priority(fields: Waiting, headers: Mapping[str, str]) -> Priority | None:
    """The class; None where the caller set none."""
    found: Priority | None = _one_of("priority", fields.priority, PRIORITY, headers, PRIORITIES)
    return found


def _one_of(field: str, value: str | None, header: str, headers: Mapping[str, str], known: Any) -> Any:
    name, given = (field, value) if value is not None else (header, headers.get(header))
    if given is None:
        return None
    if (found := known.get(given.lower())) is None:
        raise InvalidArgument(name, f"{given[:32]!r} is none of {', '.join(known)}")
    return found


def correlation_id(fields: Waiting, otherwise: str) -> str:
    """The request's name in the logs."""
    if fields.correlation_id is None:
        return otherwise
    return caller_text.correlation_id("correlation_id", fields.correlation_id)


def grounding(fields: Extensions, scope: str) -> Grounding | None:
    """The passages that the answer gets; None for none."""
    if (asked := fields.retrieval) is None:
        return None
    return to_grounding(
        asked.collection,
        scope,
        top_k=asked.top_k,
        min_score=asked.min_score,
        condition=asked.filter or {},
        max_context_tokens=asked.max_context_tokens,
        on_nothing=NothingFound[asked.on_nothing.upper()],
        query=asked.query,
    )


def task_call(fields: Extensions, asked: Priority | None) -> TaskCall | None:
    """None without a task."""
    if fields.task is None:
        for name in ("inputs", "input_timestamp"):
            if getattr(fields, name) is not None:
                raise InvalidArgument(name, "is set, but no task is named")
        return None
    return TaskCall(fields.task, _inputs(fields.inputs), fields.input_timestamp, asked)


def _inputs(given: dict[str, Any] | None) -> dict[str, Any]:
    inputs = given or {}
    if _is_deep(inputs, MAX_INPUT_DEPTH):
        raise InvalidArgument("inputs", f"nests deeper than {MAX_INPUT_DEPTH}")
    if (size := len(msgspec.json.encode(inputs))) > MAX_INPUT_BYTES:
        raise InvalidArgument("inputs", f"has {size} bytes, at most {MAX_INPUT_BYTES} are taken")
    try:
        msgspec.msgpack.encode(inputs)
    except OverflowError:
        raise InvalidArgument("inputs", "has a whole number beyond 64 bits") from None
    return inputs


def _is_deep(value: Any, most: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return most == 0 or any(_is_deep(each, most - 1) for each in inside)
