"""The dialect's objects of an answer: whole, or as the chunks of a stream.

Chat and plain completions differ in names only. A `Form` has these names.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from xapp.domain.answers import Finished, Started
from xapp.domain.finish_reason import FinishReason

_REASONS = {FinishReason.STOP: "stop", FinishReason.TOOL_CALLS: "tool_calls"}
"""All other reasons cut the answer, which the dialect calls "length"."""


@dataclass(frozen=True, slots=True)
class Form:
    """`prefix` begins the ids. `is_chat`: texts are messages and deltas."""

    prefix: str
    whole: str
    chunk: str
    is_chat: bool


CHAT = Form("chatcmpl-", "chat.completion", "chat.completion.chunk", is_chat=True)
COMPLETION = Form("cmpl-", "text_completion", "text_completion", is_chat=False)


def head(form: Form, started: Started, *, streamed: bool) -> dict[str, Any]:
    """The fields that the whole answer and each chunk have."""
    return {
        "id": f"{form.prefix}{started.correlation_id}",
        "object": form.chunk if streamed else form.whole,
        "created": int(time.time()),
        "model": started.model,
        "system_fingerprint": f"fp_{started.model_digest.removeprefix('sha256:')[:12]}",
    }


def sources(started: Started) -> dict[str, Any]:
    """The passages in the prompt, which are not in the dialect; nothing without retrieval."""
    return {"sources": [asdict(each) for each in started.sources]} if started.sources else {}


def ending(finished: Finished) -> dict[str, Any]:
    """Why an answer ended. `stop_reason`, which is not in the dialect, names a cut that is no length."""
    fields: dict[str, Any] = {"finish_reason": _REASONS.get(finished.reason, "length")}
    if finished.reason not in (*_REASONS, FinishReason.LENGTH):
        fields["stop_reason"] = finished.reason.value
    if finished.format_complete is not None:
        fields["format_complete"] = finished.format_complete
    if finished.cited:
        fields["cited_sources"] = list(finished.cited)
    if finished.abstained:
        fields["abstained"] = True
    return fields


def usage(answers: Sequence[Finished]) -> dict[str, Any]:
    """The numbers of tokens of all answers; the prompt counts once. The times are not in the dialect.

    They are in milliseconds: those of the first token are of the earliest answer, `decode_ms` of the longest.
    """
    first = min(answers, key=lambda each: each.time_to_first_token_s)
    num_prompt, num_completion = first.num_prompt_tokens, sum(each.num_completion_tokens for each in answers)
    return {
        "prompt_tokens": num_prompt,
        "completion_tokens": num_completion,
        "total_tokens": num_prompt + num_completion,
        "prompt_tokens_details": {"cached_tokens": first.num_cached_tokens},
        "completion_tokens_details": {
            "reasoning_tokens": sum(each.num_reasoning_tokens for each in answers),
        },
        "queue_ms": _ms(first.queue_s),
        "time_to_first_token_ms": _ms(first.time_to_first_token_s),
        "prefill_ms": _ms(first.prefill_s),
        "decode_ms": _ms(max(each.decode_s for each in answers)),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def headers_of(started: Started) -> dict[str, str]:
    """The figures that are known when the answer begins."""
    return {
        "X-Queue-Ms": f"{_ms(started.queue_s):g}",
        "X-Cached-Tokens": str(started.num_cached_tokens),
        "X-Seed": str(started.seed),
    }
