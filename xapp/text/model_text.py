"""ModelText: text to tokens and back for one model in the server. A text process does the work.

A short text is a round trip over a socket. The server itself joins the text of answers, from a table of all
tokens' bytes that the process sends once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import msgspec

from xapp.domain.chat import ChatMessage, Prompt
from xapp.domain.text_frames import TextTokens
from xapp.text.client import TEXT_COMMAND
from xapp.text.dispatch import TextDispatcher
from xapp.text.messages import (
    NO_ID,
    Check,
    Loaded,
    Read,
    ReadTexts,
    Render,
    Turn,
    vocabulary_digest,
)
from xapp.text.pieces import PieceTable
from xapp.text.stream_text import TextStream
from xapp.workers.supervisor import WorkerState


class ModelText:
    """`load` makes it, `aclose` ends it."""

    def __init__(self, dispatcher: TextDispatcher, loaded: Loaded) -> None:
        self._dispatcher = dispatcher
        self.has_chat_template = loaded.has_chat_template
        self.max_piece_bytes = loaded.max_piece_bytes
        self.frames = loaded.frames
        self.vocabulary = vocabulary_digest(loaded.pieces, loaded.starts)
        self.piece: Callable[[int], bytes] = PieceTable(loaded).__getitem__

    @classmethod
    async def load(cls, path: str, command: Sequence[str] = TEXT_COMMAND) -> Self:
        """Starts the process. Raises ModelError with the file, or Unavailable. No process is left then."""
        dispatcher = TextDispatcher(path, command)
        return cls(dispatcher, await dispatcher.start())

    @property
    def pid(self) -> int:
        """The text process's id; 0 without a process."""
        return self._dispatcher.supervisor.pid

    @property
    def can_start(self) -> bool:
        """Whether the process runs, or is being started and has not failed."""
        return self._dispatcher.supervisor.state is not WorkerState.FAILED

    @property
    def num_restarts(self) -> int:
        """Number of restarts of the process."""
        return self._dispatcher.supervisor.num_restarts

    async def read(self, prompt: Prompt, client: str = "") -> list[int]:
        """The prompt's tokens. Raises InvalidArgument with its field, ModelError, Unavailable."""
        (tokens,) = await self._tokens(prompt, None, client)
        return tokens

    async def read_choices(self, prompt: Prompt, choices: Sequence[str], client: str = "") -> list[list[int]]:
        """The prompt's tokens, then for each choice the tokens of prompt and choice. Raises as `read`."""
        return await self._tokens(prompt, choices, client)

    async def read_texts(self, texts: Sequence[str], most: int, client: str = "") -> list[TextTokens]:
        """The tokens of each text, of a longer text the first and the last `most`.

        Raises InvalidArgument with field `texts`, Unavailable.
        """
        encoded = [text.encode(errors="replace") for text in texts]
        request = ReadTexts(NO_ID, encoded, most, sum(map(len, encoded)))
        lists: list[TextTokens] = await self._dispatcher.finish(request, "texts", client)
        return lists

    async def render(self, template: str, values: Mapping[str, Any], client: str = "") -> str:
        """The prompt from a task's template. Raises InvalidArgument with field `inputs`, Unavailable."""
        inputs = dict(values)
        size = len(template.encode(errors="replace")) + len(msgspec.msgpack.encode(inputs))
        request = Render(NO_ID, template, inputs, size)
        text: str = await self._dispatcher.finish(request, "inputs", client)
        return text

    async def check(self, pairs: Sequence[tuple[str, str]], client: str = "") -> list[str]:
        """For each schema and JSON text the reason why the text does not conform, "" where it does.

        Raises InvalidArgument with field `json` where the check takes too much work, Unavailable.
        """
        sent = [(schema, text.encode(errors="replace")) for schema, text in pairs]
        size = sum(len(schema) + len(text) for schema, text in sent)
        request = Check(NO_ID, sent, size)
        faults: list[str] = await self._dispatcher.finish(request, "json", client)
        return faults

    def stream(self, stop: Sequence[str] = ()) -> TextStream:
        """The text of one answer."""
        return TextStream(self.piece, stop)

    async def aclose(self) -> None:
        """Ends the process. Waiting callers get an error. Safe to call twice."""
        await self._dispatcher.aclose()

    async def _tokens(self, prompt: Prompt, choices: Sequence[str] | None, client: str) -> list[list[int]]:
        field, text, turns, size = _encoded(prompt)
        ends = None if choices is None else [choice.encode(errors="replace") for choice in choices]
        if ends is not None:
            size += sum(map(len, ends)) + size * len(ends)
        request = Read(NO_ID, text, turns, ends, size)
        lists: list[list[int]] = await self._dispatcher.finish(request, field, client)
        return lists


def _encoded(prompt: Prompt) -> tuple[str, bytes | None, list[Turn], int]:
    """The field for errors, the text and turns to send, and their size in bytes."""
    if isinstance(prompt, str):
        text = prompt.encode(errors="replace")
        return "prompt", text, [], len(text)
    turns = [_turn(message) for message in prompt]
    size = sum(len(turn.content) + sum(len(call[2]) for call in turn.calls) for turn in turns)
    return "chat", None, turns, size


def _turn(message: ChatMessage) -> Turn:
    calls = [(call.id, call.name, call.arguments.encode(errors="replace")) for call in message.tool_calls]
    return Turn(message.role, message.content.encode(errors="replace"), calls, message.tool_call_id)
