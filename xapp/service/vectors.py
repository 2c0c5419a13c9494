"""Vectors of texts by a worker: the common course of Embed and Rerank, from tokens to packed numbers."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from xapp.domain.embedding import FLOAT_BYTES, Caller
from xapp.domain.messages import Embed, SequenceFinished, Submit
from xapp.domain.requests import Request
from xapp.domain.vectors import is_finite
from xapp.errors import ModelError
from xapp.service import one_result, report
from xapp.service.call import Call, Calls, Resolve, scopes_of

_TURN = 256
"""Vectors that are checked at a time: the event loop has other work."""


@dataclass(frozen=True, slots=True)
class Computed:
    """The packed vectors of texts, in order, and the seconds in the queue and in the model."""

    vectors: list[bytes]
    queue_s: float
    compute_s: float


def resolved(model: str, caller: Caller, texts: Sequence[str]) -> Resolve:
    """For admission the texts are a prompt without an answer."""
    request = Request(
        prompt="".join(texts),
        model=model,
        max_tokens=1,
        ignore_eos=True,
        priority=caller.priority,
        correlation_id=caller.correlation_id,
        deadline=caller.deadline,
        client=caller.client,
        scope=caller.scope,
        hops=caller.hops,
    )

    async def resolve() -> Request:
        return request

    return resolve


async def compute(calls: Calls, call: Call, embed: Embed, num_tokens: int) -> Computed:
    """The vectors of texts of `num_tokens` in all. Raises the errors of admission, DeadlineExceeded,
    ModelError.
    """
    call.admitted.counted(num_tokens)
    submit = call.admitted.placed(_submission(calls.new_id(), call, embed))
    model = call.target.model
    with closing(model.supervisor.submit(submit)) as stream, call.admitted.following(stream):
        end = await one_result.final_event(stream, "texts were computed")
        assert end.started_at is not None
        _finish(call, submit, end)
        vectors = await _split(bytes(stream.vectors), len(embed.texts), model.name)
        return Computed(vectors, max(0.0, end.started_at - submit.arrival), end.at - end.started_at)


def _submission(request_id: int, call: Call, embed: Embed) -> Submit:
    asked = call.target.admission_request
    return Submit(
        request_id=request_id,
        prompt=max(embed.texts, key=len),
        max_tokens=1,
        priority=asked.priority,
        arrival=asked.arrival,
        deadline=asked.deadline,
        embed=embed,
        **scopes_of(call.target.request),
    )


def _finish(call: Call, submit: Submit, end: SequenceFinished) -> None:
    """Admission learns from the end."""
    call.admitted.finished = one_result.final(report.opening(call.target, submit, submit.prompt), submit, end)


async def _split(vectors: bytes, count: int, model: str) -> list[bytes]:
    """Each vector. Raises ModelError, reason NOT_FINITE, for one that no vector can be compared with."""
    size = len(vectors) // count
    assert size * count == len(vectors), "a worker sends whole vectors"
    assert size % FLOAT_BYTES == 0, "a worker sends whole numbers"
    parts = [vectors[start : start + size] for start in range(0, len(vectors), size)]
    for index, part in enumerate(parts):
        if not is_finite(part):
            text = f"{model}: the vector of text {index} is not finite: the file or the build is at fault"
            raise ModelError(text, reason="NOT_FINITE")
        if index % _TURN == _TURN - 1:
            await asyncio.sleep(0)
    return parts
