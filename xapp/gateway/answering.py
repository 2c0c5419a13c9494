"""Runs a request and writes its answers: as server-sent events, or as one object."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from aiohttp import web

from xapp.config import LogSettings
from xapp.domain.answers import Chunk, Event, Finished, Started
from xapp.domain.requests import Request
from xapp.domain.service import Generation
from xapp.edge.http_caller import path_of
from xapp.edge.watchdog import Watchdog, WatchedStream
from xapp.errors import XappError
from xapp.gateway import chunks
from xapp.gateway.answer_objects import Form, head, headers_of, sources, usage
from xapp.gateway.reasoning import ReasoningGuard
from xapp.gateway.sampling_fields import Ask
from xapp.gateway.several import merged
from xapp.gateway.sse_writer import SseWriter
from xapp.gateway.whole_answer import WholeAnswer
from xapp.security.audit import note_failure
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.observation import Observation


class Answering:
    """`answer` has the whole course of one request."""

    def __init__(self, service: Generation, metrics: Metrics, watchdog: Watchdog, log: LogSettings) -> None:
        self._service = service
        self._metrics = metrics
        self._watchdog = watchdog
        self._log_prompts = log.prompts

    async def answer(self, request: web.Request, ask: Ask, form: Form) -> web.StreamResponse:
        """Raises XappError before the answer begins; a later error is an event of the stream."""
        if ask.stream:
            return await self._stream(request, ask, form)
        return await self._whole(ask, form)

    def _events(self, ask: Ask) -> AsyncGenerator[tuple[int, Event], None]:
        return merged([self._observed(request, ReasoningGuard(request)) for request in ask.requests])

    async def _observed(self, request: Request, guard: ReasoningGuard) -> AsyncGenerator[Event, None]:
        """The events of one answer, which is counted and logged as a request of its own."""
        with Observation(self._metrics, request.model) as observation:
            if self._log_prompts:
                observation.prompt = request.prompt
            record, is_raw = observation.record, isinstance(request.prompt, str)
            async with aclosing(self._service.generate(request)) as events:
                async for event in events:
                    record(event)
                    if type(event) is Chunk and (guard.passes or is_raw):
                        yield event
                        continue
                    for each in guard.read(event):
                        yield each

    async def _whole(self, ask: Ask, form: Form) -> web.Response:
        answers = [WholeAnswer(form, index) for index in range(ask.n)]
        async with aclosing(self._events(ask)) as events:
            async for index, event in events:
                answers[index].add(event)
        started, finished = answers[0].started, [answer.finished for answer in answers]
        body = {
            **head(form, started, streamed=False),
            "choices": [answer.choice() for answer in answers],
            "usage": usage(finished),
            **sources(started),
        }
        response = web.Response(body=msgspec.json.encode(body), content_type="application/json")
        response.headers.update(headers_of(started))
        return response

    async def _stream(self, request: web.Request, ask: Ask, form: Form) -> web.StreamResponse:
        writer = SseWriter(request, form, ask)
        try:
            with self._watchdog.watch() as stream:
                await self._write_events(ask, writer, stream)
        except XappError as error:
            if writer.response is None:
                raise
            self._count(request, error)
            if stream.stalled and request.transport is not None:
                # The client does not read, so that it would not read this error either.
                request.transport.abort()
                raise ConnectionResetError(error.message) from error
            await writer.response.write(chunks.failure(error))
        assert writer.response is not None, "an answer has a Started"
        await writer.response.write_eof()
        return writer.response

    def _count(self, request: web.Request, error: XappError) -> None:
        note_failure(error)
        self._metrics.rpc_errors.labels(path_of(request), error.code).inc()

    async def _write_events(self, ask: Ask, writer: SseWriter, stream: WatchedStream) -> None:
        clock = time.monotonic
        async with aclosing(self._events(ask)) as events:
            async for index, event in events:
                stream.writing_since = clock()
                if type(event) is Chunk:
                    await writer.piece(index, event)
                elif type(event) is Started:
                    await writer.begin(index, event)
                elif type(event) is Finished:
                    await writer.end(index, event)
                stream.writing_since = None
