"""The figures around an answer: Started before the first token, Finished after the last.

They are the same for every RPC. This module knows neither the worker's stream nor the text.
"""

from collections.abc import Callable, Sequence

from xapp.domain.answers import Finished, Started
from xapp.domain.finish_reason import FinishReason
from xapp.domain.messages import Submit
from xapp.service.call import Target
from xapp.service.provenance import provenance

_TAIL = 8
"""Tokens that the tag and the white space behind it have at most."""


def opening(target: Target, submit: Submit, prompt: Sequence[int]) -> Started:
    """Started, as far as known before the worker begins: no cached token, no time in the queue.

    `prompt` is the whole prompt in tokens. The prompt of `submit` may be shorter, where choices share its
    end.
    """
    request, serving, seed = target.request, target.serving, submit.sampling.seed
    return Started(
        model=target.model.name,
        model_digest=serving.digest,
        num_prompt_tokens=len(submit.prompt),
        num_cached_tokens=0,
        queue_s=0.0,
        seed=seed,
        correlation_id=request.correlation_id,
        provenance=provenance(serving, request.task_label, prompt, seed),
        in_reasoning=_opens_reasoning(prompt, serving.codec.piece),
    )


def _opens_reasoning(prompt: Sequence[int], piece: Callable[[int], bytes]) -> bool:
    """Whether the prompt ends with the tag that opens the model's reasoning."""
    return b"".join(map(piece, prompt[-_TAIL:])).rstrip().endswith(b"<think>")


def final(
    started: Started,
    reason: FinishReason,
    num_completion_tokens: int,
    *,
    arrival: float,
    first_at: float | None,
    last_at: float,
) -> Finished:
    """Times are on CLOCK_MONOTONIC. `first_at` is None without a token. `started` has the final queue time
    and number of cached tokens.
    """
    begun_at = arrival + started.queue_s
    return Finished(
        reason=reason,
        num_prompt_tokens=started.num_prompt_tokens,
        num_cached_tokens=started.num_cached_tokens,
        num_completion_tokens=num_completion_tokens,
        queue_s=started.queue_s,
        prefill_s=max(0.0, first_at - begun_at) if first_at is not None else 0.0,
        decode_s=max(0.0, last_at - first_at) if first_at is not None else 0.0,
        time_to_first_token_s=max(0.0, first_at - arrival) if first_at is not None else 0.0,
    )
