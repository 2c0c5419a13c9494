"""The dialect's objects of an answer: whole, or as the chunks of a stream.

Chat and plain completions differ in names only. A `Form` has these names.
"""

import time
from dataclasses import dataclass
from typing import Any

from xapp.domain.answers import Finished, Started
from xapp.domain.finish_reason import FinishReason

_REASONS = {FinishReason.STOP: "stop"}
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


def whole_choice(form: Form, index: int, text: str, finished: Finished) -> dict[str, Any]:
    """One answer."""
    message = {"role": "assistant", "content": text, "refusal": None}
    said = {"message": message} if form.is_chat else {"text": text}
    return {"index": index, **said, "logprobs": None, **ending(finished)}


def ending(finished: Finished) -> dict[str, Any]:
    """Why an answer ended. `stop_reason`, which is not in the dialect, names a cut that is no length."""
    fields: dict[str, Any] = {"finish_reason": _REASONS.get(finished.reason, "length")}
    if finished.reason not in (FinishReason.STOP, FinishReason.LENGTH):
        fields["stop_reason"] = finished.reason.value
    if finished.format_complete is not None:
        fields["format_complete"] = finished.format_complete
    return fields


def usage(finished: Finished) -> dict[str, Any]:
    """The numbers of tokens. The times in milliseconds are not in the dialect."""
    num_prompt, num_completion = finished.num_prompt_tokens, finished.num_completion_tokens
    return {
        "prompt_tokens": num_prompt,
        "completion_tokens": num_completion,
        "total_tokens": num_prompt + num_completion,
        "prompt_tokens_details": {"cached_tokens": finished.num_cached_tokens},
        "queue_ms": _ms(finished.queue_s),
        "time_to_first_token_ms": _ms(finished.time_to_first_token_s),
        "prefill_ms": _ms(finished.prefill_s),
        "decode_ms": _ms(finished.decode_s),
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
