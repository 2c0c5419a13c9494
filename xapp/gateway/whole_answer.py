"""An answer that is sent as a whole: its events, collected."""

from typing import Any

from xapp.domain.answers import Chunk, DrawnToken, Event, Finished, Started, ToolCallDelta
from xapp.gateway.answer_objects import Form, ending
from xapp.gateway.call_objects import whole
from xapp.gateway.log_probabilities import of_chat, of_completion


class WholeAnswer:
    """Call `add` with every event. `started` and `finished` are set then."""

    started: Started
    finished: Finished

    def __init__(self, form: Form, index: int) -> None:
        self._form = form
        self._index = index
        self._texts: list[str] = []
        self._reasoning: list[str] = []
        self._drawn: list[DrawnToken] = []
        self._calls: list[ToolCallDelta] = []

    def add(self, event: Event) -> None:
        """The next event."""
        if type(event) is Chunk:
            self._texts.append(event.text)
            self._reasoning.append(event.reasoning)
            self._drawn += event.drawn
            self._calls += event.tool_calls
        elif type(event) is Started:
            self.started = event
        elif type(event) is Finished:
            self.finished = event

    def choice(self) -> dict[str, Any]:
        """The dialect's object."""
        return {"index": self._index, **self._said(), **ending(self.finished)}

    def _said(self) -> dict[str, Any]:
        text = "".join(self._texts)
        if not self._form.is_chat:
            return {"text": text, "logprobs": of_completion(self._drawn)}
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if reasoning := "".join(self._reasoning):
            message["reasoning_content"] = reasoning
        if self._calls:
            message |= {"content": text or None, "tool_calls": whole(self._calls)}
        return {"message": message, "logprobs": of_chat(self._drawn)}
