"""Requests as callers saw them."""

from perf.load.load_samples import Request


def request(**changes: object) -> Request:
    """Answered, due in 2 s: asked at 1 s, first token at 1.5 s, last of 11 at 2.5 s."""
    given: dict[str, object] = {
        "step": "",
        "attempt": 0,
        "index": 0,
        "scheduled_s": 1.0,
        "sent_s": 1.0,
        "first_s": 1.5,
        "end_s": 2.5,
        "error": "",
        "finish_reason": "length",
        "max_tokens": 11,
        "num_prompt_tokens": 200,
        "num_cached_tokens": 0,
        "num_completion_tokens": 11,
        "gaps_s": [],
        "deadline_s": 2.0,
    }
    return Request(**{**given, **changes})  # type: ignore[arg-type]


def failed(error: str, **changes: object) -> Request:
    return request(error=error, first_s=None, num_completion_tokens=0, **changes)
