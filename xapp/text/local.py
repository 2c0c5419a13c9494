"""LocalText: `model_text` within this process, for harmless vocabularies that are written in Python."""

from collections.abc import Mapping, Sequence
from typing import Any

from xapp.domain.chat import Prompt
from xapp.domain.text_frames import TextTokens
from xapp.text.codec import TextCodec
from xapp.text.stream_text import TextStream
from xapp.text.task_template import render


class LocalText:
    """A Codec like `ModelText`, which documents the methods."""

    def __init__(self, codec: TextCodec) -> None:
        self._codec = codec
        self.pid = self.num_restarts = 0
        self.can_start = True
        self.has_chat_template = codec.has_chat_template
        self.max_piece_bytes = codec.max_piece_bytes
        self.frames = codec.frames
        self.piece = codec.piece
        self.vocabulary = codec.vocabulary

    async def read(self, prompt: Prompt, client: str = "") -> list[int]:
        """Tokens."""
        return self._codec.encode(prompt) if isinstance(prompt, str) else self._codec.encode_chat(prompt)

    async def read_choices(self, prompt: Prompt, choices: Sequence[str], client: str = "") -> list[list[int]]:
        """Lists of tokens."""
        if isinstance(prompt, str):
            return [self._codec.encode(prompt + choice) for choice in ("", *choices)]
        return self._codec.encode_answers(prompt, ("", *choices))

    async def read_texts(self, texts: Sequence[str], most: int, client: str = "") -> list[TextTokens]:
        """The tokens of each text."""
        return [TextTokens(self._codec.encode_text(text)) for text in texts]

    async def render(self, template: str, values: Mapping[str, Any], client: str = "") -> str:
        """Text."""
        return render(template, values)

    async def check(self, pairs: Sequence[tuple[str, str]], client: str = "") -> list[str]:
        """Faults."""
        from xapp.formats.validate import validator_of  # noqa: PLC0415  10 MB that other nodes do without

        return [validator_of(schema).fault_of_text(text) for schema, text in pairs]

    def stream(self, stop: Sequence[str] = ()) -> TextStream:
        """Text."""
        return self._codec.stream(stop)

    async def aclose(self) -> None:
        """Frees the codec."""
        self._codec.close()
