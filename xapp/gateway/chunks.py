"""The chunks of a streamed answer as server-sent events. A chunk costs little: only its text is encoded."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from xapp.domain.answers import Chunk, Finished, Started
from xapp.errors import XappError
from xapp.gateway.answer_objects import Form, ending, head, sources, usage
from xapp.gateway.call_objects import delta
from xapp.gateway.dialect_errors import body_of
from xapp.gateway.log_probabilities import of_chat, of_completion

DONE = b"data: [DONE]\n\n"
_MARK = "\x00text\x00"
_NOTHING: Mapping[str, Any] = {}
_encode = msgspec.json.Encoder().encode


def sent(value: Any) -> bytes:
    """One event."""
    return b"data: " + _encode(value) + b"\n\n"


def failure(error: XappError) -> bytes:
    """The event of an answer that failed after its beginning."""
    return sent(body_of(error))


class Chunks:
    """The chunks of one answer, `index` among those of its request."""

    def __init__(self, form: Form, started: Started, index: int, *, include_usage: bool) -> None:
        self._form = form
        self._index = index
        self._offset = 0
        self._head = head(form, started, streamed=True)
        self._sources = sources(started)
        self._no_usage: dict[str, Any] = {"usage": None} if include_usage else {}
        before, after = self._chunk(self._said(_MARK), None).split(_encode(_MARK))
        self._before, self._after = before, after

    def opening(self) -> bytes:
        """The first chunk; b"" where the dialect has none."""
        if self._form.is_chat:
            return self._chunk({"delta": {"role": "assistant", "content": ""}}, None, beside=self._sources)
        return self._chunk(self._said(""), None, beside=self._sources) if self._sources else b""

    def text(self, chunk: Chunk) -> bytes:
        """The next piece. Called for every token."""
        if chunk.drawn or chunk.tool_calls or chunk.reasoning:
            return self._chunk(self._all_said(chunk), None, self._log_probabilities(chunk))
        return self._before + _encode(chunk.text) + self._after

    def _log_probabilities(self, chunk: Chunk) -> dict[str, Any] | None:
        if self._form.is_chat:
            return of_chat(chunk.drawn)
        offset, self._offset = self._offset, self._offset + len(chunk.text)
        return of_completion(chunk.drawn, offset)

    def end(self, finished: Finished) -> bytes:
        """The last chunk of the answer."""
        said: dict[str, Any] = {"delta": {}} if self._form.is_chat else {"text": ""}
        return self._chunk(said, finished)

    def usage(self, answers: Sequence[Finished]) -> bytes:
        """The chunk behind all answers."""
        return sent({**self._head, "choices": [], "usage": usage(answers)})

    def _said(self, text: str) -> dict[str, Any]:
        return {"delta": {"content": text}} if self._form.is_chat else {"text": text}

    def _all_said(self, chunk: Chunk) -> dict[str, Any]:
        if not (chunk.tool_calls or chunk.reasoning):
            return self._said(chunk.text)
        said: dict[str, Any] = {"reasoning_content": chunk.reasoning} if chunk.reasoning else {}
        if chunk.text:
            said["content"] = chunk.text
        if chunk.tool_calls:
            said["tool_calls"] = list(map(delta, chunk.tool_calls))
        return {"delta": said}

    def _chunk(
        self,
        said: dict[str, Any],
        finished: Finished | None,
        logprobs: dict[str, Any] | None = None,
        beside: Mapping[str, Any] = _NOTHING,
    ) -> bytes:
        end = {"finish_reason": None} if finished is None else ending(finished)
        choice = {"index": self._index, **said, "logprobs": logprobs, **end}
        return sent({**self._head, "choices": [choice], **self._no_usage, **beside})
