"""The hidden state of a prompt's last token: the course of one request, as Score without choices."""

from array import array
from contextlib import closing

from xapp.domain.answers import HiddenState
from xapp.domain.messages import Submit
from xapp.domain.requests import Request
from xapp.domain.vectors import is_finite
from xapp.errors import ModelError
from xapp.service import one_result, report
from xapp.service.call import Call, Calls, Resolve, scopes_of
from xapp.tasks.tasks import Tasks, named_after


class HiddenStates:
    """Asks a model that generates text what it makes of a prompt, and generates none."""

    def __init__(self, calls: Calls, tasks: Tasks) -> None:
        self._calls = calls
        self._tasks = tasks

    async def hidden_state(self, request: Request) -> HiddenState:
        """Cancelling the caller cancels the request in the worker. Raises as `generate` does; ModelError,
        reason NOT_FINITE.

        For admission `request` is a prompt without an answer: it has one token, and ignores the end.
        """
        async with self._calls.enter(self._resolving(request)) as call:
            submit = await self._submission(call)
            with (
                closing(call.target.model.supervisor.submit(submit)) as stream,
                call.admitted.following(stream),
            ):
                end = await one_result.final_event(stream, "prompt was read")
                started = report.opening(call.target, submit, submit.prompt)
                call.admitted.finished = one_result.final(started, submit, end)
                return _state(bytes(stream.vectors), call)

    def _resolving(self, request: Request) -> Resolve:
        async def resolve() -> Request:
            return await self._tasks.resolve(request)

        return resolve

    async def _submission(self, call: Call) -> Submit:
        """The request for the worker, counted."""
        request, serving, asked = call.target.request, call.target.serving, call.target.admission_request
        with named_after(request):
            prompt = await serving.prompts.read(request.prompt, serving.limit, request.client)
        call.admitted.tokenized(prompt, 1)
        submit = Submit(
            request_id=self._calls.new_id(),
            prompt=prompt,
            max_tokens=1,
            priority=asked.priority,
            arrival=asked.arrival,
            deadline=asked.deadline,
            hidden_state=True,
            **scopes_of(request),
        )
        return call.admitted.placed(submit)


def _state(vector: bytes, call: Call) -> HiddenState:
    if not is_finite(vector):
        text = f"{call.target.model.name}: a hidden state is not finite: the file or the build is at fault"
        raise ModelError(text, reason="NOT_FINITE")
    return HiddenState(call.target.serving.digest, tuple(array("f", vector)))
