"""Turns a caller's prompt into tokens without blocking the event loop."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from xapp.domain.chat import ChatMessage, Prompt
from xapp.domain.text_frames import TextFrames, TextTokens
from xapp.errors import Exhausted, InvalidArgument

MAX_CHOICE_BYTES = 16 * 1024 * 1024
"""Limit of the bytes of choices: the prompt is tokenized once for each choice."""


class AnswerText(Protocol):
    """Turns the tokens of one answer into text, as `text.stream_text.TextStream` does."""

    stopped: bool
    stop_text: str

    def feed(self, tokens: Sequence[int], /) -> str:
        """The text that can no longer change."""
        ...

    def flush(self) -> str:
        """The remaining text."""
        ...


class Codec(Protocol):
    """Text to tokens and back for one model, as `text.model_text.ModelText` does it."""

    @property
    def pid(self) -> int:
        """The text process's id; 0 without a process."""
        ...

    @property
    def can_start(self) -> bool:
        """False while the text process cannot be restarted: the file may have changed."""
        ...

    @property
    def num_restarts(self) -> int:
        """Number of restarts of the text process."""
        ...

    @property
    def has_chat_template(self) -> bool:
        """Whether the model has a chat template."""
        ...

    @property
    def vocabulary(self) -> str:
        """SHA-256, with "sha256:" before it, of the bytes of all tokens, in order of their ids."""
        ...

    @property
    def frames(self) -> TextFrames:
        """The special tokens around texts."""
        ...

    @property
    def max_piece_bytes(self) -> int:
        """The largest number of bytes of one token."""
        ...

    async def read(self, prompt: Prompt, client: str) -> list[int]:
        """The tokens of a `client`'s prompt. Raises InvalidArgument."""
        ...

    async def read_choices(self, prompt: Prompt, choices: Sequence[str], client: str) -> list[list[int]]:
        """The prompt's tokens, then for each choice the tokens of prompt and choice.

        Raises InvalidArgument.
        """
        ...

    async def read_texts(self, texts: Sequence[str], most: int, client: str) -> list[TextTokens]:
        """The tokens of each text, without special tokens. A longer text may lack all but its first and its
        last `most` tokens. Raises InvalidArgument with field `texts`.
        """
        ...

    async def render(self, template: str, values: Mapping[str, Any], client: str) -> str:
        """The prompt from a task's template. Raises InvalidArgument with field `inputs`."""
        ...

    async def check(self, pairs: Sequence[tuple[str, str]], client: str) -> list[str]:
        """For each schema and JSON text the fault, "" where there is none. Raises InvalidArgument."""
        ...

    def piece(self, token: int) -> bytes:
        """A token's bytes."""
        ...

    def stream(self, stop: Sequence[str]) -> AnswerText:
        """The text of one answer."""
        ...

    async def aclose(self) -> None:
        """Ends the text process."""
        ...


class PromptReader:
    """Checks sizes before and after a model's text process, and bounds the number of waiting prompts."""

    def __init__(self, codec: Codec, max_pending: int) -> None:
        self._codec = codec
        self._max_pending = max_pending
        self._num_pending = 0

    async def read(self, prompt: Prompt, limit: int, client: str = "") -> list[int]:
        """The prompt's tokens, fewer than `limit`.

        Raises InvalidArgument for an empty prompt, for `limit` tokens or more, and for messages that the
        model's template refuses; Exhausted when too many prompts wait.
        """
        field, size = _measure(prompt)
        self._check_bytes(field, size, limit)
        with self._pending():
            tokens = await self._codec.read(prompt, client)
        return _check_tokens(field, tokens, limit)

    async def read_choices(
        self, prompt: Prompt, choices: Sequence[str], limit: int, client: str = ""
    ) -> tuple[list[int], list[list[int]]]:
        """The prompt's tokens, and for each choice the tokens of prompt and choice. Raises as `read`."""
        field, size = _measure(prompt)
        self._check_bytes(field, size, limit)
        sizes = [len(choice.encode(errors="replace")) for choice in choices]
        for index, choice_size in enumerate(sizes):
            self._check_bytes(f"choices[{index}]", choice_size, limit)
        size += sum(sizes) + size * len(choices)
        if size > MAX_CHOICE_BYTES:
            text = f"come to {size} bytes, each with the prompt before it: the limit is {MAX_CHOICE_BYTES}"
            raise InvalidArgument("choices", text)
        with self._pending():
            first, *others = await self._codec.read_choices(prompt, choices, client)
        return _check_tokens(field, first, limit), others

    async def read_texts(self, texts: Sequence[str], most: int, client: str = "") -> list[TextTokens]:
        """As Codec. The caller bounds the texts. Raises InvalidArgument with field `texts`, Exhausted."""
        with self._pending():
            return await self._codec.read_texts(texts, most, client)

    async def render(self, template: str, values: Mapping[str, Any], client: str = "") -> str:
        """The prompt from a task's template. Raises InvalidArgument, Exhausted."""
        with self._pending():
            return await self._codec.render(template, values, client)

    async def check(self, pairs: Sequence[tuple[str, str]], client: str = "") -> list[str]:
        """For each schema and JSON text the fault, "" where there is none. Raises as `render`."""
        with self._pending():
            return await self._codec.check(pairs, client)

    @contextmanager
    def _pending(self) -> Iterator[None]:
        if self._num_pending >= self._max_pending:
            raise Exhausted(f"{self._num_pending} prompts are being tokenized", retry_after_s=1.0)
        self._num_pending += 1
        try:
            yield
        finally:
            self._num_pending -= 1

    def _check_bytes(self, field: str, size: int, limit: int) -> None:
        at_least = size // self._codec.max_piece_bytes
        if at_least >= limit:
            raise _too_long(field, f"at least {at_least}", limit)

    async def aclose(self) -> None:
        """Ends the codec. Waiting callers get an error."""
        await self._codec.aclose()


def _measure(prompt: Prompt) -> tuple[str, int]:
    if isinstance(prompt, str):
        field, size = "prompt", len(prompt.encode(errors="replace"))
    else:
        field, size = "chat", sum(map(_num_bytes, prompt))
    if not prompt:
        raise InvalidArgument(field, "must not be empty", reason="EMPTY_PROMPT")
    return field, size


def _num_bytes(message: ChatMessage) -> int:
    texts = (message.content, *(call.arguments for call in message.tool_calls))
    return sum(len(text.encode(errors="replace")) for text in texts)


def _check_tokens(field: str, tokens: list[int], limit: int) -> list[int]:
    if not tokens:
        raise InvalidArgument(field, "has no tokens", reason="EMPTY_PROMPT")
    if len(tokens) >= limit:
        raise _too_long(field, str(len(tokens)), limit)
    return tokens


def _too_long(field: str, tokens: str, limit: int) -> InvalidArgument:
    message = f"has {tokens} tokens, but the context of {limit} tokens must hold it and at least one more"
    return InvalidArgument(field, message, reason="PROMPT_TOO_LONG")
