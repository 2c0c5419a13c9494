"""Score: one request from its tokens to its result, what it sends to the worker and what comes back."""

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
    """The verb that generates nothing: how likely texts are."""

    def __init__(self, calls: Calls, tasks: Tasks) -> None:
        self._calls = calls
        self._tasks = tasks

    async def score(self, request: ScoreRequest) -> ScoreResult:
        """How likely each choice is. Cancelling the caller cancels the request in the worker.

        Raises as `generate` does; InvalidArgument names a choice that does not fit.
        """
        asked = request

        async def resolve() -> Request:
            nonlocal asked
            asked = await self._tasks.resolve_score(request)
            # To admission it is a prompt with nothing to generate.
            return replace(asked.request, max_tokens=1, ignore_eos=True)

        async with self._calls.enter(resolve) as call:
            prompt, parts = await _read(call, asked)
            call.admitted.tokenized(parts.to_compute, 1)
            submit = submission(self._calls.new_id(), parts, call.target)
            with (
                closing(call.target.model.supervisor.submit(submit)) as stream,
                call.admitted.following(stream),
            ):
                end = await last_word(stream)
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
    """All time after the queue is prefill."""
    num_tokens, at = end.num_completion_tokens, end.at
    return report.final(started, end.reason, num_tokens, arrival=submit.arrival, first_at=at, last_at=at)


async def _read(call: Call, asked: ScoreRequest) -> tuple[list[int], Cut]:
    """The prompt's tokens, and those of the choices after what all have in common."""
    request, serving = call.target.request, call.target.serving
    with named_after(request):
        prompt, wholes = await serving.prompts.read_choices(
            request.prompt, asked.choices, serving.limit, request.client
        )
    return prompt, cut(prompt, wholes, serving.limit)


def submission(request_id: int, cut: Cut, target: Target) -> Submit:
    """What the worker is asked."""
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


def _queue_s(submit: Submit, end: SequenceFinished) -> float:
    assert end.started_at is not None
    return max(0.0, end.started_at - submit.arrival)
