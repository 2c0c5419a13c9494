"""From what the caller wrote to the tokens the model reads, without holding up the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar, TypeVarTuple

from xapp.errors import Exhausted, InvalidArgument
from xapp.service.types import ChatMessage, Prompt

INLINE_BYTES = 2048
MAX_CHOICE_BYTES = 16 * 1024 * 1024
"""Prompt and choices are tokenized together, so the prompt as often as there are choices."""

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class AnswerText(Protocol):
    """One answer's tokens to text; `text.stream_text.TextStream`."""

    stopped: bool

    def feed(self, tokens: Sequence[int], /) -> str:
        """The text that is now certain."""
        ...

    def flush(self) -> str:
        """What was held back."""
        ...


class Codec(Protocol):
    """Text to tokens and back for one model; `text.codec.TextCodec`."""

    @property
    def has_chat_template(self) -> bool:
        """Whether the model can chat."""
        ...

    @property
    def max_piece_bytes(self) -> int:
        """The most bytes of text one token stands for."""
        ...

    def encode(self, text: str) -> list[int]:
        """Text as it is."""
        ...

    def encode_chat(self, messages: Sequence[ChatMessage]) -> list[int]:
        """A conversation through the model's template. Raises InvalidArgument."""
        ...

    def encode_answers(self, messages: Sequence[ChatMessage], answers: Sequence[str]) -> list[list[int]]:
        """The same with the beginning of each answer behind it. Raises InvalidArgument."""
        ...

    def piece(self, token: int) -> bytes:
        """A token's bytes."""
        ...

    def stream(self, stop: Sequence[str]) -> AnswerText:
        """For one answer."""
        ...

    def close(self) -> None:
        """Frees native memory."""
        ...


class PromptReader:
    """Tokenizes for one model: short texts at once, the rest one at a time in a thread of its own."""

    def __init__(self, codec: Codec, max_pending: int) -> None:
        self._codec = codec
        self._max_pending = max_pending
        self._num_pending = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tokenize")

    async def read(self, prompt: Prompt, limit: int) -> list[int]:
        """The prompt's tokens, fewer than `limit`.

        Raises InvalidArgument on an empty prompt, one of `limit` tokens or more, and on messages
        that the model's template refuses; Exhausted when too many prompts wait for the thread.
        """
        field, size = _measure(prompt)
        self._check_bytes(field, size, limit)
        if isinstance(prompt, str) and size <= INLINE_BYTES:
            tokens = self._encode(prompt)
        else:
            tokens = await self._in_thread(self._encode, prompt)
        return _check_tokens(field, tokens, limit)

    async def read_choices(
        self, prompt: Prompt, choices: Sequence[str], limit: int
    ) -> tuple[list[int], list[list[int]]]:
        """The prompt's tokens, and for each choice those of prompt and choice together. Raises as `read`."""
        field, size = _measure(prompt)
        self._check_bytes(field, size, limit)
        sizes = [len(choice.encode(errors="replace")) for choice in choices]
        for index, choice_size in enumerate(sizes):
            self._check_bytes(f"choices[{index}]", choice_size, limit)
        size += sum(sizes) + size * len(choices)
        if size > MAX_CHOICE_BYTES:
            text = (
                f"come to {size} bytes, each with the prompt before it: at most {MAX_CHOICE_BYTES} are taken"
            )
            raise InvalidArgument("choices", text)
        if isinstance(prompt, str) and size <= INLINE_BYTES:
            first, *others = self._encode_choices(prompt, choices)
        else:
            first, *others = await self._in_thread(self._encode_choices, prompt, choices)
        return _check_tokens(field, first, limit), others

    async def _in_thread(self, encode: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
        if self._num_pending >= self._max_pending:
            raise Exhausted(f"{self._num_pending} prompts are being tokenized", retry_after_s=1.0)
        loop = asyncio.get_running_loop()
        self._num_pending += 1
        try:
            return await loop.run_in_executor(self._pool, encode, *args)
        finally:
            self._num_pending -= 1

    def _check_bytes(self, field: str, size: int, limit: int) -> None:
        at_least = size // self._codec.max_piece_bytes
        if at_least >= limit:
            raise _too_long(field, f"at least {at_least}", limit)

    def _encode(self, prompt: Prompt) -> list[int]:
        if isinstance(prompt, str):
            return self._codec.encode(prompt)
        return self._codec.encode_chat(prompt)

    def _encode_choices(self, prompt: Prompt, choices: Sequence[str]) -> list[list[int]]:
        if isinstance(prompt, str):
            return [self._codec.encode(prompt + choice) for choice in ("", *choices)]
        return self._codec.encode_answers(prompt, ("", *choices))

    async def aclose(self) -> None:
        """Waits for the thread and its queue, where each must get an answer; then frees the codec."""
        await asyncio.to_thread(self._pool.shutdown, wait=True)
        self._codec.close()


def _measure(prompt: Prompt) -> tuple[str, int]:
    if isinstance(prompt, str):
        field, size = "prompt", len(prompt.encode(errors="replace"))
    else:
        field, size = "chat", sum(len(turn.content.encode(errors="replace")) for turn in prompt)
    if not prompt:
        raise InvalidArgument(field, "must not be empty", reason="EMPTY_PROMPT")
    return field, size


def _check_tokens(field: str, tokens: list[int], limit: int) -> list[int]:
    if not tokens:
        raise InvalidArgument(field, "has no tokens", reason="EMPTY_PROMPT")
    if len(tokens) >= limit:
        raise _too_long(field, str(len(tokens)), limit)
    return tokens


def _too_long(field: str, tokens: str, limit: int) -> InvalidArgument:
    message = f"has {tokens} tokens, but the context of {limit} tokens must hold it and at least one more"
    return InvalidArgument(field, message, reason="PROMPT_TOO_LONG")
