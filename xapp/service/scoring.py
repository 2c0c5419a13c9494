"""Score: the course of one request, from its tokens through the worker to its result."""

from contextlib import closing
from dataclasses import replace

from xapp.domain.answers import ScoreResult
from xapp.domain.messages import FinishReason, SequenceFinished, Submit
from xapp.domain.requests import Request, ScoreRequest
from xapp.service import one_result, report
from xapp.service.call import Call, Calls, Target, scopes_of
from xapp.service.choice_scores import Cut, cut, outcome, score_choices
from xapp.tasks.tasks import Tasks, named_after


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
                end = await one_result.final_event(stream, "choices were scored")
                assert end.reason is FinishReason.STOP, "requests that do not fit are refused before"
                started = replace(
                    report.opening(call.target, submit, prompt),
                    num_cached_tokens=end.num_cached_tokens,
                    queue_s=_queue_s(submit, end),
                )
                finished = call.admitted.finished = one_result.final(started, submit, end)
                piece = call.target.serving.codec.piece
                scored = score_choices(asked, parts.choices, stream.log_probabilities, piece)
                return outcome(asked, scored, started, finished)


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


def _queue_s(submit: Submit, end: SequenceFinished) -> float:
    assert end.started_at is not None
    return max(0.0, end.started_at - submit.arrival)
