"""One scoring request from its tokens to its result: what it sends to the worker, and what came back."""

from xapp.admission.tickets import Ask
from xapp.domain.answers import Finished, Provenance, Started
from xapp.domain.messages import FinishReason, SequenceFinished, Submit
from xapp.domain.requests import ScoreRequest
from xapp.errors import DeadlineExceeded
from xapp.service.score import Cut
from xapp.workers.token_stream import TokenStream


def submission(request_id: int, cut: Cut, ask: Ask) -> Submit:
    """What the worker is asked."""
    return Submit(
        request_id=request_id,
        prompt=cut.shared,
        max_tokens=cut.longest,
        priority=ask.priority,
        arrival=ask.arrival,
        deadline=ask.deadline,
        choices=cut.choices,
    )


async def last_word(stream: TokenStream) -> SequenceFinished:
    """Waits for it. Raises DeadlineExceeded, or what the stream fails with."""
    while not stream.done:
        await stream.next()
    end = stream.finished
    assert end is not None
    if end.reason is FinishReason.EXPIRED:
        raise DeadlineExceeded("the deadline passed before the choices were scored")
    assert end.reason is FinishReason.STOP, "what does not fit is refused before"
    return end


def begun(
    request: ScoreRequest, submit: Submit, end: SequenceFinished, model: str, made_by: Provenance
) -> Started:
    """What Generate's Started would say."""
    return Started(
        model=model,
        model_digest=made_by.model_digest,
        num_prompt_tokens=len(submit.prompt),
        num_cached_tokens=end.num_cached_tokens,
        queue_s=_queue_s(submit, end),
        seed=0,
        correlation_id=request.request.correlation_id,
        provenance=made_by,
    )


def ended(submit: Submit, end: SequenceFinished) -> Finished:
    """What Generate's Finished would say: all time after the queue is prefill."""
    queue_s = _queue_s(submit, end)
    took_s = max(0.0, end.at - submit.arrival)
    return Finished(
        reason=end.reason,
        num_prompt_tokens=len(submit.prompt),
        num_cached_tokens=end.num_cached_tokens,
        num_completion_tokens=end.num_completion_tokens,
        queue_s=queue_s,
        prefill_s=max(0.0, took_s - queue_s),
        decode_s=0.0,
        time_to_first_token_s=took_s,
    )


def _queue_s(submit: Submit, end: SequenceFinished) -> float:
    assert end.started_at is not None
    return max(0.0, end.started_at - submit.arrival)
