"""An XappError as OpenAI's error object, with its HTTP status and headers.

The object has `message`, `type`, `param` (the field) and `code` (for programs). `code` is the reason in lower
case, except for the three codes that OpenAI's clients know.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from xapp.errors import InvalidArgument, Unauthenticated, XappError

MAX_MESSAGE_CHARS = 768
_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "FAILED_PRECONDITION": 422,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_BY_REASON = {
    "UNKNOWN_PATH": 404,
    "NOT_HERE": 405,
    "SLOW_SENDER": 408,
    "BODY_TOO_LARGE": 413,
    "NOT_JSON": 415,
    "UNKNOWN_HOST": 421,
    "UNKNOWN_ORIGIN": 403,
    "NOT_IMPLEMENTED": 501,
}
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_CODES = {
    "NO_CREDENTIALS": "invalid_api_key",
    "BAD_TOKEN": "invalid_api_key",
    "MODEL_NOT_FOUND": "model_not_found",
    "PROMPT_TOO_LONG": "context_length_exceeded",
    "TEXT_TOO_LONG": "context_length_exceeded",
}
_FIELDS = (
    (re.compile(r"^chat\.messages"), "messages"),
    (re.compile(r"^chat$"), "messages"),
    (re.compile(r"^sampling\."), ""),
    (re.compile(r"^format(\.json_schema|\.grammar)?$"), "response_format"),
    (re.compile(r"^max_token_gap$"), "max_token_gap_ms"),
    (re.compile(r"^texts"), "input"),
)
"""The names of the domain's fields in the dialect."""
_IN_FUNCTION = re.compile(r"\b((?:tools|tool_calls)\[\d+\])\.(name|description|arguments|parameters)$")
"""In the dialect these are fields of the object `function`."""


def status_of(error: XappError) -> int:
    """The HTTP status."""
    return _BY_REASON.get(error.reason) or _STATUSES[error.code]


def body_of(error: XappError) -> dict[str, Any]:
    """The error object."""
    status, param, message = status_of(error), None, error.message
    if isinstance(error, InvalidArgument):
        # An unknown field is none of the domain's: its name is the caller's own.
        param = error.field if error.reason == "UNKNOWN_FIELD" else field_of(error.field)
        message = f"{param}: {error.description}"
    shown = {"message": message[:MAX_MESSAGE_CHARS], "type": _type_of(status), "param": param}
    return {"error": shown | {"code": _CODES.get(error.reason, error.reason.lower())}}


def _type_of(status: int) -> str:
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")


def field_of(field: str) -> str:
    """The dialect's name of a field."""
    for pattern, name in _FIELDS:
        if pattern.match(field):
            field = pattern.sub(name, field, count=1)
            break
    return _IN_FUNCTION.sub(r"\1.function.\2", field)


def headers_of(error: XappError) -> dict[str, str]:
    """`Retry-After` where waiting helps; where it does not, OpenAI's clients are told not to retry."""
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
    if error.retry_after_s is None:
        return headers | {"x-should-retry": "false"}
    return headers | {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}


def refusal(error: XappError, headers: Mapping[str, str] | None = None) -> web.Response:
    """The whole response."""
    return web.Response(
        status=status_of(error),
        body=msgspec.json.encode(body_of(error)),
        content_type="application/json",
        headers={**(headers or {}), **headers_of(error)},
    )
