"""Runs a request and writes its answer: as server-sent events, or as one object."""

import time
from contextlib import aclosing

import msgspec
from aiohttp import web

from xapp.config import LogSettings
from xapp.domain.answers import Chunk, Finished, Started
from xapp.domain.service import Generation
from xapp.edge.watchdog import Watchdog, WatchedStream
from xapp.errors import XappError
from xapp.gateway import chunks
from xapp.gateway.answer_objects import Form, head, headers_of, usage, whole_choice
from xapp.gateway.chunks import Chunks
from xapp.gateway.sampling_fields import Ask
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.observation import Observation

_SSE = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


class Answering:
    """`answer` has the whole course of one request."""

    def __init__(self, service: Generation, metrics: Metrics, watchdog: Watchdog, log: LogSettings) -> None:
        self._service = service
        self._metrics = metrics
        self._watchdog = watchdog
        self._log_prompts = log.prompts

    async def answer(self, request: web.Request, ask: Ask, form: Form) -> web.StreamResponse:
        """Raises XappError before the answer begins; a later error is an event of the stream."""
        with self._observe(ask) as observation:
            if not ask.stream:
                return await self._whole(ask, form, observation)
        return await self._stream(request, ask, form)

    def _observe(self, ask: Ask) -> Observation:
        observation = Observation(self._metrics, ask.request.model, client_gone=ConnectionError)
        if self._log_prompts:
            observation.prompt = ask.request.prompt
        return observation

    async def _whole(self, ask: Ask, form: Form, observation: Observation) -> web.Response:
        texts: list[str] = []
        async with aclosing(self._service.generate(ask.request)) as events:
            async for event in events:
                observation.record(event)
                if type(event) is Chunk:
                    texts.append(event.text)
                elif type(event) is Started:
                    started = event
                elif type(event) is Finished:
                    finished = event
        choice = whole_choice(form, 0, "".join(texts), finished)
        body = {**head(form, started, streamed=False), "choices": [choice], "usage": usage(finished)}
        response = web.Response(body=msgspec.json.encode(body), content_type="application/json")
        response.headers.update(headers_of(started))
        return response

    async def _stream(self, request: web.Request, ask: Ask, form: Form) -> web.StreamResponse:
        writer = SseWriter(request, ask, form)
        try:
            with self._observe(ask) as observation, self._watchdog.watch() as stream:
                await self._write_events(ask, writer, observation, stream)
        except XappError as error:
            if writer.response is None:
                raise
            if stream.stalled and request.transport is not None:
                # The client does not read, so that it would not read this error either.
                request.transport.abort()
                raise ConnectionResetError(error.message) from error
            await writer.response.write(chunks.failure(error))
        assert writer.response is not None, "an answer has a Started"
        await writer.response.write_eof()
        return writer.response

    async def _write_events(
        self, ask: Ask, writer: "SseWriter", observation: Observation, stream: WatchedStream
    ) -> None:
        clock = time.monotonic
        async with aclosing(self._service.generate(ask.request)) as events:
            async for event in events:
                observation.record(event)
                stream.writing_since = clock()
                if type(event) is Chunk:
                    await writer.piece(event)
                elif type(event) is Started:
                    await writer.begin(event)
                elif type(event) is Finished:
                    await writer.end(event)
                stream.writing_since = None


class SseWriter:
    """Writes the events of one answer."""

    def __init__(self, request: web.Request, ask: Ask, form: Form) -> None:
        self._request = request
        self._ask = ask
        self._form = form
        self.response: web.StreamResponse | None = None

    async def begin(self, started: Started) -> None:
        """The headers, and the first chunk."""
        response = web.StreamResponse(headers={**_SSE, **headers_of(started)})
        self._chunks = Chunks(self._form, started, 0, include_usage=self._ask.include_usage)
        await response.prepare(self._request)
        self.response = response
        self._write = response.write
        if opening := self._chunks.opening():
            await self._write(opening)

    async def piece(self, chunk: Chunk) -> None:
        """A piece of the text."""
        await self._write(self._chunks.text(chunk.text))

    async def end(self, finished: Finished) -> None:
        """The last chunks, in one write."""
        data = self._chunks.end(finished)
        if self._ask.include_usage:
            data += self._chunks.usage(finished)
        await self._write(data + chunks.DONE)
