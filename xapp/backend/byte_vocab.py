"""ByteVocab: a vocabulary without a file, with one token a byte, and ChatML's control tokens.

Tests and the fake backend use it. Tokens 0 to 255 are bytes, followed by BOS, EOS and ChatML's two tokens.
"""

import re

from xapp.backend.tokenizer import Control
from xapp.domain.text_frames import Frame, TextFrames

BOS, EOS, IM_START, IM_END = range(256, 260)
SIZE = 260

_TEXTS = {BOS: "<|bos|>", EOS: "<|eos|>", IM_START: "<|im_start|>", IM_END: "<|im_end|>"}
_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


class ByteVocab:
    """The module's docstring describes it; `Tokenizer` documents the methods."""

    bos: int | None = BOS
    eos: int | None = EOS
    max_piece_bytes = max(map(len, _TEXTS.values()))
    size = SIZE
    splits_words = True
    frames = TextFrames(Frame((BOS,), (), (EOS,)), Frame((BOS,), (EOS,), (EOS,)))

    def __init__(self, *, add_bos: bool = False, chat_template: str | None = _TEMPLATE) -> None:
        self.add_bos = add_bos
        self.chat_template = chat_template
        self.controls = {text: Control(token) for token, text in _TEXTS.items()}
        self.added: dict[str, Control] = {}
        self.markup: dict[str, Control] = {}
        self._split = re.compile(b"(" + b"|".join(re.escape(text.encode()) for text in self.controls) + b")")

    def tokenize(
        self, text: str | bytes, *, add_special: bool = False, parse_special: bool = False
    ) -> list[int]:
        """Bytes, with control tokens when `parse_special`."""
        data = text.encode(errors="replace") if isinstance(text, str) else text
        start = [BOS] if add_special and self.add_bos else []
        if not parse_special:
            return start + list(data)
        for part in self._split.split(data):
            control = self.controls.get(part.decode(errors="replace"))
            start += list(part) if control is None else [int(control)]
        return start

    def piece(self, token: int) -> bytes:
        """The byte; b"" for control tokens."""
        if not 0 <= token < SIZE:
            raise ValueError(f"token {token} is outside the vocabulary of {SIZE}")
        return bytes([token]) if token < BOS else b""

    def text(self, token: int) -> str:
        """The token's text in the vocabulary."""
        return _TEXTS.get(token) or chr(token)

    def is_end(self, token: int) -> bool:
        """Whether the token ends an answer."""
        return token in {EOS, IM_END}

    def close(self) -> None:
        """Nothing to free."""
