"""The vocabulary of a GGUF file, without its weights: text to tokens and back.

The text process of each served model has one (SmolLM2-135M, 49,152 tokens: about 17 MB). It knows no
templates, no stop strings, no streams. llama.cpp's tokenizer is safe in several threads
at once: a loaded vocabulary does not change, and the calls release the GIL.
"""

import ctypes
import os
from array import array
from pathlib import Path
from typing import Any

from xapp.backend.load_error import check_readable, load_reason
from xapp.backend.native import captured_errors, llama
from xapp.backend.native_memory import give_back_heap
from xapp.backend.tokenizer import Control
from xapp.backend.vocab_frames import frames_of
from xapp.domain.text_frames import TextFrames
from xapp.errors import ModelError, Unavailable

PIECE_BYTES = 256
"""A buffer size that fits nearly every piece."""
MAX_CONTROL_CHARS = 512
"""Limit of the text of a control token."""
_ATTR_UNKNOWN = 1 << 0
_ATTR_UNUSED = 1 << 1
_ATTR_CONTROL = 1 << 3
_ATTR_USER_DEFINED = 1 << 4
_ATTR_PARSED = _ATTR_CONTROL | _ATTR_UNKNOWN | _ATTR_USER_DEFINED
_ATTR_LSTRIP = 1 << 7
_ATTR_RSTRIP = 1 << 8
_OPENING, _CLOSING = frozenset({b"<", b"[", b"{", b"("}), frozenset(">]})")
_BPE = 2


class _Pieces(dict[int, bytes]):
    """A cache of pieces, filled as tokens arrive; at most one entry a token."""

    def __init__(self, vocab: "Vocab") -> None:
        super().__init__()
        self._vocab = vocab

    def __missing__(self, token: int) -> bytes:
        piece = self[token] = self._vocab.render(token)
        return piece


class Vocab:
    """A loaded vocabulary. Raises ModelError with the file when it cannot be loaded.

    `size` is the number of tokens. `max_piece_bytes` is the largest number of bytes of one token, so that a
    text of n bytes has at least n / max_piece_bytes tokens. `Tokenizer` documents `controls`, `added` and
    `markup`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._model = load_vocab(Path(path))
        self._vocab = llama.llama_model_get_vocab(self._model)
        self.size: int = llama.llama_vocab_n_tokens(self._vocab)
        self.bos = _token(llama.llama_vocab_bos(self._vocab))
        self.eos = _token(llama.llama_vocab_eos(self._vocab))
        self.add_bos: bool = llama.llama_vocab_get_add_bos(self._vocab)
        self.splits_words: bool = llama.llama_vocab_type(self._vocab) == _BPE
        template: bytes | None = llama.llama_model_chat_template(self._model, None)
        self.chat_template = template.decode(errors="replace") if template else None
        self.frames = self._frames()
        self.controls: dict[str, Control] = {}
        self.added: dict[str, Control] = {}
        self.markup: dict[str, Control] = {}
        self.max_piece_bytes = self._scan()
        self._check_controls(path)
        self.piece = _Pieces(self).__getitem__

    def tokenize(
        self, text: str | bytes, *, add_special: bool = False, parse_special: bool = False
    ) -> list[int]:
        """Token ids. Invalid UTF-8 and NUL bytes are tokenized as they are.

        `add_special` adds the model's BOS and EOS around a text. `parse_special` turns the text of control
        tokens into control tokens.
        """
        data = text.encode(errors="replace") if isinstance(text, str) else text
        # A power of two: ctypes keeps a type for each length of an array for ever.
        capacity = 1 << max(len(data) // 2, 16).bit_length()
        tokens, count = self._tokenize(data, capacity, add_special, parse_special)
        if count < 0:
            tokens, count = self._tokenize(data, 1 << (-count).bit_length(), add_special, parse_special)
        return tokens[:count]

    def render(self, token: int, *, special: bool = False) -> bytes:
        """The token's bytes, not cached. Raises ValueError on an id outside the vocabulary."""
        if not 0 <= token < self.size:
            raise ValueError(f"token {token} is outside the vocabulary of {self.size}")
        if self._model is None:
            # An answer may outlive its model: it gets no further bytes, and its stream ends with an error
            # anyway.
            return b""
        return token_bytes(self._vocab, token, special=special)

    def text(self, token: int) -> str:
        """The token's text in the vocabulary."""
        piece = self.render(token, special=True)
        if not piece and self._model is not None:  # an unused token has no bytes, but a text
            piece = llama.llama_vocab_get_text(self._vocab, token) or b""
        return piece.decode(errors="replace")

    def all_pieces(self) -> "tuple[bytes, array[int]]":
        """The pieces of all tokens; the function of the same name explains the result."""
        return all_pieces(self._vocab, self.size)

    def is_end(self, token: int) -> bool:
        """Whether the token ends an answer."""
        return 0 <= token < self.size and bool(llama.llama_vocab_is_eog(self._vocab, token))

    def meta(self, key: str) -> str | None:
        """A value of the file's metadata as text, None when there is none; invalid UTF-8 is replaced."""
        name = key.encode()
        length = llama.llama_model_meta_val_str(self._model, name, None, 0)
        if length < 0:
            return None
        buffer = ctypes.create_string_buffer(length + 1)
        llama.llama_model_meta_val_str(self._model, name, buffer, length + 1)
        return bytes(buffer.value).decode(errors="replace")

    def close(self) -> None:
        """Frees native memory. No other method may be called afterwards. Safe to call twice."""
        if self._model is not None:
            llama.llama_model_free(self._model)
            self._model = None

    def _tokenize(self, data: bytes, capacity: int, add: bool, parse: bool) -> tuple[list[int], int]:
        if self._model is None:
            raise Unavailable("the model was unloaded", reason="DRAINING", retry_after_s=1.0)
        buffer = (ctypes.c_int32 * capacity)()
        count = llama.llama_tokenize(self._vocab, data, len(data), buffer, capacity, add, parse)
        return (buffer[: max(count, 0)], count)

    def _frames(self) -> TextFrames:
        template: bytes | None = llama.llama_model_chat_template(self._model, b"rerank")
        shown = template.decode(errors="replace") if template else None
        return frames_of(self._vocab, lambda text: self.tokenize(text, parse_special=True), shown)

    def _check_controls(self, path: str | os.PathLike[str]) -> None:
        if (longest := max(map(len, {**self.controls, **self.added}), default=0)) > MAX_CONTROL_CHARS:
            text = f"{path}: a control token of {longest:,} characters, the limit is {MAX_CONTROL_CHARS}"
            raise ModelError(text, reason="UNSUPPORTED_MODEL")

    def _scan(self) -> int:
        """Fills `controls`, `added` and `markup`.

        Returns the length of the longest piece. Takes 1 µs a token.
        """
        buffer = ctypes.create_string_buffer(PIECE_BYTES)
        to_piece, get_attr, vocab = llama.llama_token_to_piece, llama.llama_vocab_get_attr, self._vocab
        longest = 1
        for token in range(self.size):
            length = abs(to_piece(vocab, token, buffer, PIECE_BYTES, 0, True))
            longest = max(longest, length)
            attr = get_attr(vocab, token)
            unused = attr & _ATTR_UNUSED and not length
            if unused or (length and (attr & _ATTR_PARSED or buffer[0] in _OPENING)):
                self._sort(token, attr)
        return longest

    def _sort(self, token: int, attr: int) -> None:
        text = self.text(token)
        control = Control(token, bool(attr & _ATTR_LSTRIP), bool(attr & _ATTR_RSTRIP))
        if attr & (_ATTR_CONTROL | _ATTR_UNKNOWN):
            self.controls[text] = control
        elif attr & _ATTR_USER_DEFINED:
            self.added[text] = control
        elif text[-1:] in _CLOSING and len(text) <= MAX_CONTROL_CHARS:
            self.markup[text] = control


def _token(token: int) -> int | None:
    return token if token >= 0 else None


def token_bytes(vocab: Any, token: int, *, special: bool = False) -> bytes:
    """The bytes of a token of a native vocabulary. A control token has b"", or its text if `special`."""
    buffer = ctypes.create_string_buffer(PIECE_BYTES)
    length = llama.llama_token_to_piece(vocab, token, buffer, PIECE_BYTES, 0, special)
    if length < 0:
        buffer = ctypes.create_string_buffer(-length)
        length = llama.llama_token_to_piece(vocab, token, buffer, -length, 0, special)
    return bytes(buffer.raw[: max(length, 0)])


def all_pieces(vocab: Any, size: int) -> "tuple[bytes, array[int]]":
    """All pieces in a row, and the start of each, with the end of the last. About 1 µs a token."""
    buffer = ctypes.create_string_buffer(PIECE_BYTES)
    view, to_piece = memoryview(buffer).cast("B"), llama.llama_token_to_piece
    text, starts = bytearray(), array("I", [0])
    for token in range(size):
        length = to_piece(vocab, token, buffer, PIECE_BYTES, 0, False)
        text += view[:length] if length >= 0 else token_bytes(vocab, token)
        starts.append(len(text))
    return bytes(text), starts


def load_vocab(path: Path) -> Any:
    """A handle of a model with its vocabulary only. Raises ModelError with the file."""
    check_readable(path)
    params = llama.llama_model_default_params()
    params.vocab_only = True
    with captured_errors() as lines:
        model = llama.llama_model_load_from_file(os.fsencode(path), params)
    if model is None:
        raise ModelError(f"{path}: {load_reason(lines)}")
    give_back_heap()  # loading leaves about 2 MB
    return model
