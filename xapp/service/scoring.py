"""Score: the course of one request, from its tokens through the worker to its result."""

from contextlib import closing
from dataclasses import replace

from xapp.domain.answers import Finished, ScoreResult, Started
from xapp.domain.messages import FinishReason, SequenceFinished, Submit
from xapp.domain.requests import Request, ScoreRequest
from xapp.errors import DeadlineExceeded
from xapp.service import report
from xapp.service.call import Call, Calls, Target, scopes_of
from xapp.service.choice_scores import Cut, cut, outcome, score_choices
from xapp.tasks.tasks import Tasks, named_after
from xapp.workers.token_stream import TokenStream


class Scoring:
    """The RPC that scores texts and generates none."""

    def __init__(self, calls: Calls, tasks: Tasks) -> None:
        self._calls = calls
        self._tasks = tasks

    async def score(self, request: ScoreRequest) -> ScoreResult:
        """The probability of each choice. Cancelling the caller cancels the request in the worker.

        Raises as `generate` does. InvalidArgument names a choice that does not fit.
        """
        asked = request

        async def resolve() -> Request:
            nonlocal asked
            asked = await self._tasks.resolve_score(request)
            # For admission the request is a prompt without an answer.
            return replace(asked.request, max_tokens=1, ignore_eos=True)

        async with self._calls.enter(resolve) as call:
            prompt, parts = await _read(call, asked)
            call.admitted.tokenized(parts.to_compute, 1)
            submit = call.admitted.placed(submission(self._calls.new_id(), parts, call.target))
            with (
                closing(call.target.model.supervisor.submit(submit)) as stream,
                call.admitted.following(stream),
            ):
                end = await final_event(stream)
                started = replace(
                    report.opening(call.target, submit, prompt),
                    num_cached_tokens=end.num_cached_tokens,
                    queue_s=_queue_s(submit, end),
                )
                finished = call.admitted.finished = _finished(started, submit, end)
                piece = call.target.serving.codec.piece
                scored = score_choices(asked, parts.choices, stream.log_probabilities, piece)
                return outcome(asked, scored, started, finished)


def _finished(started: Started, submit: Submit, end: SequenceFinished) -> Finished:
    """All time after the queue counts as prefill."""
    num_tokens, at = end.num_completion_tokens, end.at
    return report.final(started, end.reason, num_tokens, arrival=submit.arrival, first_at=at, last_at=at)


async def _read(call: Call, asked: ScoreRequest) -> tuple[list[int], Cut]:
    """The prompt's tokens, and the tokens of the choices behind their common beginning."""
    request, serving = call.target.request, call.target.serving
    with named_after(request):
        prompt, wholes = await serving.prompts.read_choices(
            request.prompt, asked.choices, serving.limit, request.client
        )
    return prompt, cut(prompt, wholes, serving.limit)


def submission(request_id: int, cut: Cut, target: Target) -> Submit:
    """The request for the worker."""
    request = target.admission_request
    return Submit(
        request_id=request_id,
        prompt=cut.shared,
        max_tokens=cut.longest,
        priority=request.priority,
        arrival=request.arrival,
        deadline=request.deadline,
        choices=cut.choices,
        **scopes_of(target.request),
    )


LATE = "the deadline passed before the choices were scored"


async def final_event(stream: TokenStream, late: str = LATE) -> SequenceFinished:
    """Waits for the final event. Raises DeadlineExceeded with the text `late`, or the error of the stream."""
    while not stream.done:
        await stream.next()
    end = stream.finished
    assert end is not None
    if end.reason is FinishReason.EXPIRED:
        raise DeadlineExceeded(late)
    assert end.reason is FinishReason.STOP, "requests that do not fit are refused before"
    return end


def _queue_s(submit: Submit, end: SequenceFinished) -> float:
    assert end.started_at is not None
    return max(0.0, end.started_at - submit.arrival)
