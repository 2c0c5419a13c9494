"""Traces of load: what was asked of a service, and when.

One JSON object a line, with exactly one of `prompt_tokens`, `prompt` and `messages`:

    {"at": 0.0, "prompt_tokens": 120, "max_tokens": 64, "priority": "critical", "deadline_s": 2.5}
    {"at": 1.7, "prompt": "Cell 7 reports …", "max_tokens": 32}
    {"at": 1.9, "messages": [{"role": "user", "content": "…"}], "max_tokens": 128}

`at` is seconds from the trace's start, in any order, in all lines or in none; `priority` and `deadline_s` may
be left out. Other keys are refused: a misspelt one would silently change the load.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from perf.data.read_rows import DataError, read_rows
from perf.targets.target import Input, Turn

MAX_REQUESTS = 100_000
MAX_TOKENS = 1_000_000
PRIORITIES = ("critical", "interactive", "batch")
_ROLES = {"system", "user", "assistant"}


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: str
    content: str


class TraceRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line."""

    max_tokens: int
    at: float | None = None
    prompt_tokens: int | None = None
    prompt: str | None = None
    messages: list[_Message] | None = None
    priority: str = ""
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """What is asked: either `input`, or a prompt of `prompt_tokens` tokens that is to be made.

    `at` and `deadline_s` in seconds; None: the trace does not say.
    """

    max_tokens: int
    at: float | None
    prompt_tokens: int | None
    input: Input | None
    priority: str
    deadline_s: float | None


def read_trace(path: Path) -> list[TraceRequest]:
    """The requests in order of `at`. Raises DataError that names the line."""
    found: list[TraceRequest] = []
    for line, row in read_rows(path, TraceRow):
        where = f"{path}, line {line}"
        if len(found) == MAX_REQUESTS:
            raise DataError(where, f"more than {MAX_REQUESTS} requests")
        found.append(_request(where, row))
        if (row.at is None) != (found[0].at is None):
            raise DataError(where, "`at` is in some lines only: give it in all or in none")
    return sorted(found, key=lambda request: request.at or 0.0)


def _request(where: str, row: TraceRow) -> TraceRequest:
    given = [name for name in ("prompt_tokens", "prompt", "messages") if getattr(row, name) is not None]
    if len(given) != 1:
        said = " and ".join(given) or "none"
        raise DataError(where, f"exactly one of prompt_tokens, prompt and messages is needed: {said} given")
    _check_numbers(where, row)
    if row.priority and row.priority not in PRIORITIES:
        raise DataError(where, f"priority {row.priority!r} is none of {', '.join(PRIORITIES)}")
    made = _input(where, row)
    return TraceRequest(row.max_tokens, row.at, row.prompt_tokens, made, row.priority, row.deadline_s)


def _check_numbers(where: str, row: TraceRow) -> None:
    for name in ("max_tokens", "prompt_tokens"):
        value = getattr(row, name)
        if value is not None and not 1 <= value <= MAX_TOKENS:
            raise DataError(where, f"{name} {value} is not in 1 to {MAX_TOKENS}")
    if row.at is not None and not (math.isfinite(row.at) and row.at >= 0):
        raise DataError(where, f"at {row.at} is no time from the trace's start: 0 or more seconds")
    if row.deadline_s is not None and not (math.isfinite(row.deadline_s) and row.deadline_s > 0):
        raise DataError(where, f"deadline_s {row.deadline_s} is not above 0")


def _input(where: str, row: TraceRow) -> Input | None:
    if row.prompt is not None:
        if not row.prompt:
            raise DataError(where, "prompt is empty")
        return row.prompt
    return None if row.messages is None else _turns(where, row.messages)


def _turns(where: str, messages: Sequence[_Message]) -> tuple[Turn, ...]:
    if not messages:
        raise DataError(where, "messages is empty")
    for message in messages:
        if message.role not in _ROLES:
            raise DataError(where, f"role {message.role!r} is none of {', '.join(sorted(_ROLES))}")
    return tuple(Turn(message.role, message.content) for message in messages)
