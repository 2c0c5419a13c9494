"""ToolGuard: turns the text of an answer that may call tools into text and calls."""

from dataclasses import replace

from xapp.domain.answers import Chunk, DrawnToken, Event, Finished
from xapp.domain.messages import FinishReason
from xapp.formats.tool_reader import Said, ToolReader


class ToolGuard:
    """Call `read` with every event of the answer, in order. `program` is the grammar for the worker."""

    def __init__(self, program: bytes) -> None:
        self.program = program
        self._reader = ToolReader()
        self._num_tokens = 0
        self._drawn: list[DrawnToken] = []

    async def read(self, event: Event) -> list[Event]:
        """The events for the caller. Tokens that said nothing yet count for the next chunk."""
        if isinstance(event, Chunk):
            self._num_tokens += event.num_tokens
            self._drawn += event.drawn
            said = self._reader.feed(event.text)
            return [self._chunk(said)] if said else []
        return self._end(event) if isinstance(event, Finished) else [event]

    def _end(self, finished: Finished) -> list[Event]:
        events: list[Event] = []
        if text := self._reader.flush():
            events.append(self._chunk(Said(text)))
        if self._reader.num_complete and finished.reason is FinishReason.STOP:
            finished = replace(finished, reason=FinishReason.TOOL_CALLS)
        return [*events, finished]

    def _chunk(self, said: Said) -> Chunk:
        chunk = Chunk(said.text, self._num_tokens, tuple(self._drawn), tuple(said.calls))
        self._num_tokens, self._drawn = 0, []
        return chunk
