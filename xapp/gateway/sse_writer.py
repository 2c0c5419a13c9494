"""Writes the answers of one request as server-sent events."""

from aiohttp import web

from xapp.domain.answers import Chunk, Finished, Started
from xapp.gateway import chunks
from xapp.gateway.answer_objects import Form, headers_of
from xapp.gateway.chunks import Chunks
from xapp.gateway.sampling_fields import Ask

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


class SseWriter:
    """`response` is None before the first answer begins."""

    def __init__(self, request: web.Request, form: Form, ask: Ask) -> None:
        self._request = request
        self._form = form
        self._ask = ask
        self._answers: dict[int, Chunks] = {}
        self._finished: list[Finished] = []
        self.response: web.StreamResponse | None = None

    async def begin(self, index: int, started: Started) -> None:
        """The headers where this answer is the first, and its first chunk."""
        if self.response is None:
            response = web.StreamResponse(headers={**_HEADERS, **headers_of(started)})
            await response.prepare(self._request)
            self.response, self._write = response, response.write
        answer = Chunks(self._form, started, index, include_usage=self._ask.include_usage)
        self._answers[index] = answer
        if opening := answer.opening():
            await self._write(opening)

    async def piece(self, index: int, chunk: Chunk) -> None:
        """A piece of an answer's text. Called for every token."""
        await self._write(self._answers[index].text(chunk))

    async def end(self, index: int, finished: Finished) -> None:
        """The last chunk of an answer. Behind the last answer, the last chunks of the stream."""
        self._finished.append(finished)
        answer = self._answers[index]
        data = answer.end(finished)
        if len(self._finished) == self._ask.n:
            data += answer.usage(self._finished) if self._ask.include_usage else b""
            data += chunks.DONE
        await self._write(data)
