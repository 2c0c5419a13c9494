"""openengine.v1.Inference: Generate.

What fails before an answer begins is a gRPC status. What fails later is an EngineError, which is the last
response, and the call ends with OK.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import grpc

from xapp import hops
from xapp.domain.answers import Chunk, Event, Finished, Started
from xapp.domain.service import Service
from xapp.edge.watchdog import Watchdog, WatchedStream
from xapp.errors import Aborted, DeadlineExceeded, XappError
from xapp.openengine import open_engine_pb2 as oe
from xapp.openengine import open_engine_pb2_grpc
from xapp.security import principal
from xapp.security.permission import check_request
from xapp.security.policy import ANYTHING_GOES, Policy
from xapp.server.authorisation import asked_of
from xapp.server.call import Context
from xapp.server.deadline import deadline_of
from xapp.server.open_engine import engine_request, engine_response
from xapp.server.open_engine.engine_request import Asked
from xapp.server.open_engine.running_requests import RunningRequest, RunningRequests
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.observation import Observation


class _Stream:
    """One answer on its way to the client."""

    def __init__(self, asked: Asked, context: Context, watched: WatchedStream) -> None:
        self._asked = asked
        self._context = context
        self._watched = watched
        self._num_prompt_tokens = self._num_tokens = 0
        self.has_begun = self.has_ended = False

    async def tell(self, event: Event) -> None:
        """Sends an event."""
        name = self._asked.request_id
        if type(event) is Chunk:
            self._num_tokens += event.num_tokens
            wanted = self._asked.log_probabilities
            await self._send(engine_response.token_output(name, event, log_probabilities=wanted))
        elif type(event) is Started:
            self.has_begun, self._num_prompt_tokens = True, event.num_prompt_tokens
        elif type(event) is Finished:
            self.has_ended = True
            await self._send(engine_response.finished(name, event))

    async def fail(self, error: XappError) -> None:
        """Sends the error as the last response."""
        self.has_ended = True
        await self._send(engine_response.failed(self._asked.request_id, error))

    async def end_aborted(self) -> None:
        """Sends the last response of an aborted request. Raises Aborted where the client does not read."""
        if self._watched.writing_since is not None:
            # gRPC has no second write while the first one waits for the client.
            raise Aborted("the request was aborted while its client did not read")
        name = self._asked.request_id
        await self._send(engine_response.aborted(name, self._num_prompt_tokens, self._num_tokens))

    async def _send(self, response: oe.GenerateResponse) -> None:
        await self._watched.send(self._context.write(response))


class EngineInferenceServicer(open_engine_pb2_grpc.InferenceServicer):
    """`policy` is what each principal may do; None where callers show no credentials."""

    def __init__(
        self,
        service: Service,
        metrics: Metrics,
        watchdog: Watchdog,
        running: RunningRequests,
        policy: Callable[[], Policy] = lambda: ANYTHING_GOES,
        *,
        log_prompts: bool = False,
    ) -> None:
        self._service = service
        self._metrics = metrics
        self._watchdog = watchdog
        self._running = running
        self._policy = policy
        self._log_prompts = log_prompts

    async def Generate(  # type: ignore[override]  # noqa: N802  the stub's types know generators only
        self, request: oe.GenerateRequest, context: Context
    ) -> None:
        """Streams the answer to one prompt."""
        asked = engine_request.read(request, context.invocation_metadata() or ())
        caller = principal.current.get().name
        with (
            self._watchdog.watch() as watched,
            self._running.hold(caller, asked.request_id, watched) as running,
        ):
            stream = _Stream(asked, context, watched)
            try:
                await self._answer(asked, context, stream, running)
            except asyncio.CancelledError:
                if not running.takes_cancellation():
                    raise
            except XappError as error:
                if not stream.has_begun or isinstance(error, DeadlineExceeded):
                    raise
                await stream.fail(error)
            if running.is_aborted and not stream.has_ended:
                await stream.end_aborted()

    async def _answer(self, asked: Asked, context: Context, stream: _Stream, running: RunningRequest) -> None:
        with engine_request.names_of_the_contract():
            async with aclosing(self._events(asked, context)) as events:
                async for event in events:
                    await stream.tell(event)
                    if running.is_aborted:
                        return

    async def _events(self, asked: Asked, context: Context) -> AsyncGenerator[Event, None]:
        caller = principal.current.get()
        check_request(self._policy(), caller, self._service, asked_of(asked.request))
        model = asked.request.model
        with Observation(self._metrics, model, client_gone=grpc.aio.BaseError) as observation:
            parsed = asked.to_request(deadline_of(context), caller, hops.current.get())
            if self._log_prompts:
                observation.prompt = parsed.prompt
            async with aclosing(self._service.generate(parsed)) as events:
                async for event in events:
                    observation.record(event)
                    yield event
