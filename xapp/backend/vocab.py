"""The vocabulary of a GGUF file, without its weights: text to tokens and back.

The text process of each served model keeps one (SmolLM2-135M, 49,152 tokens: about 17 MB). It knows no
templates, no stop strings, no streams. llama.cpp's tokenizer is used from several threads
at once safely: a loaded vocabulary does not change, and the calls release the GIL.
"""

import ctypes
import os
import re
from array import array
from pathlib import Path
from typing import Any

from xapp.backend.load_error import check_readable, load_reason
from xapp.backend.native import captured_errors, llama
from xapp.backend.native_memory import give_back_heap
from xapp.backend.tokenizer import Control
from xapp.errors import ModelError, Unavailable
from xapp.models.gguf_vocab import with_controls

PIECE_BYTES = 256
"""Room for nearly every piece."""
MAX_CONTROL_CHARS = 512
"""Of the text of a control token."""
_ATTR_UNKNOWN = 1 << 0
_ATTR_CONTROL = 1 << 3
_ATTR_USER_DEFINED = 1 << 4
_ATTR_BYTE = 1 << 5
_ATTR_LSTRIP = 1 << 7
_ATTR_RSTRIP = 1 << 8
_BPE = 2
_TAG = re.compile(r"<[^\s<>'\"]*[^\W\d_][^\s<>'\"]*>")


class _Pieces(dict[int, bytes]):
    """Filled as tokens come; at most one entry a token."""

    def __init__(self, vocab: "Vocab") -> None:
        super().__init__()
        self._vocab = vocab

    def __missing__(self, token: int) -> bytes:
        piece = self[token] = self._vocab.render(token)
        return piece


class Vocab:
    """A loaded vocabulary. Raises ModelError, naming the file, when it cannot be loaded.

    `size` is the number of tokens; `max_piece_bytes` the most bytes of text one token can stand
    for, so that a text of n bytes is at least n / max_piece_bytes tokens; `controls` maps the text
    of each control token to it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._as_text: frozenset[int] = frozenset()
        self._model: Any = None
        self._vocab: Any = None
        self._open(Path(path))
        self.bos = _token(llama.llama_vocab_bos(self._vocab))
        self.eos = _token(llama.llama_vocab_eos(self._vocab))
        self.add_bos: bool = llama.llama_vocab_get_add_bos(self._vocab)
        self.splits_words: bool = llama.llama_vocab_type(self._vocab) == _BPE
        self.controls: dict[str, Control] = {}
        self.max_piece_bytes = self._scan()
        self._check_controls(path)
        self.piece = _Pieces(self).__getitem__

    def tokenize(
        self, text: str | bytes, *, add_special: bool = False, parse_special: bool = False
    ) -> list[int]:
        """Token ids. Invalid UTF-8 and NUL bytes are tokenized as they are.

        `add_special` adds what the model wants around a text (BOS, EOS); `parse_special` turns the
        text of control tokens into them.
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
            # An answer that outlives its model may still be read: what it lacks is told by its error.
            return b""
        return token_bytes(self._vocab, token, special=special or token in self._as_text)

    def text(self, token: int) -> str:
        """The token as the vocabulary writes it."""
        return self.render(token, special=True).decode(errors="replace")

    def all_pieces(self) -> "tuple[bytes, array[int]]":
        """What `piece` says of all tokens; see the function."""
        return all_pieces(self._vocab, self.size, self._as_text)

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
        """Frees native memory; nothing else may be called afterwards. Safe to call twice."""
        if self._model is not None:
            llama.llama_model_free(self._model)
            self._model = None

    def _tokenize(self, data: bytes, capacity: int, add: bool, parse: bool) -> tuple[list[int], int]:
        if self._model is None:
            raise Unavailable("the model was unloaded", reason="DRAINING", retry_after_s=1.0)
        buffer = (ctypes.c_int32 * capacity)()
        count = llama.llama_tokenize(self._vocab, data, len(data), buffer, capacity, add, parse)
        return (buffer[: max(count, 0)], count)

    def _open(self, path: Path) -> None:
        """Loads, and once more where tokens pass for plain text that a caller must not write.

        llama.cpp makes a USER_DEFINED token of its text wherever it stands; of a CONTROL token only where
        it is told to.
        """
        self._load(path)
        found = self._disguised()
        if not found:
            return
        with with_controls(path, found) as image:
            if image is not None:
                self.close()
                self._load(image, named=path)
                # In an answer they stay what they were.
                self._as_text = found

    def _load(self, path: Path, named: Path | None = None) -> None:
        self._model = load_vocab(path, named)
        self._vocab = llama.llama_model_get_vocab(self._model)
        self.size: int = llama.llama_vocab_n_tokens(self._vocab)
        template: bytes | None = llama.llama_model_chat_template(self._model, None)
        self.chat_template = template.decode(errors="replace") if template else None

    def _disguised(self) -> frozenset[int]:
        get_attr, vocab, template = llama.llama_vocab_get_attr, self._vocab, self.chat_template or ""
        found = set()
        for token in range(self.size):
            attr = get_attr(vocab, token)
            if attr & (_ATTR_CONTROL | _ATTR_UNKNOWN | _ATTR_BYTE):
                continue
            # Most tokens are ordinary, and only of those in the template the text matters.
            text = llama.llama_vocab_get_text(vocab, token).decode(errors="replace")
            if is_markup(text, template, added=bool(attr & _ATTR_USER_DEFINED)):
                found.add(token)
        return frozenset(found)

    def _check_controls(self, path: str | os.PathLike[str]) -> None:
        if (longest := max(map(len, self.controls), default=0)) > MAX_CONTROL_CHARS:
            text = f"{path}: a control token of {longest:,} characters, at most {MAX_CONTROL_CHARS} are taken"
            raise ModelError(text, reason="UNSUPPORTED_MODEL")

    def _scan(self) -> int:
        """Fills `controls` and returns the longest piece: 1 µs a token."""
        buffer = ctypes.create_string_buffer(PIECE_BYTES)
        to_piece, get_attr, vocab = llama.llama_token_to_piece, llama.llama_vocab_get_attr, self._vocab
        longest = 1
        for token in range(self.size):
            length = abs(to_piece(vocab, token, buffer, PIECE_BYTES, 0, True))
            longest = max(longest, length)
            attr = get_attr(vocab, token)
            if attr & (_ATTR_CONTROL | _ATTR_UNKNOWN) and length:
                control = Control(token, bool(attr & _ATTR_LSTRIP), bool(attr & _ATTR_RSTRIP))
                self.controls[self.text(token)] = control
        return longest


def is_markup(text: str, template: str, *, added: bool) -> bool:
    """Whether a token that is no control token means more to the model than its characters.

    `added` to the vocabulary by hand, USER_DEFINED: with a sign in it, or in the chat template. White space
    and single characters are text. Of ordinary tokens those that the template writes as a tag.
    """
    if added:
        stripped = text.strip()
        signs = any(not char.isalnum() and not char.isspace() for char in stripped)
        return len(stripped) > 1 and (signs or stripped in template)
    return len(text) > 3 and text[0] == "<" and _TAG.fullmatch(text) is not None and text in template


def _token(token: int) -> int | None:
    return token if token >= 0 else None


def token_bytes(vocab: Any, token: int, *, special: bool = False) -> bytes:
    """The bytes of a token of a native vocabulary; of a control token b"", or its text if `special`."""
    buffer = ctypes.create_string_buffer(PIECE_BYTES)
    length = llama.llama_token_to_piece(vocab, token, buffer, PIECE_BYTES, 0, special)
    if length < 0:
        buffer = ctypes.create_string_buffer(-length)
        length = llama.llama_token_to_piece(vocab, token, buffer, -length, 0, special)
    return bytes(buffer.raw[: max(length, 0)])


def all_pieces(vocab: Any, size: int, as_text: frozenset[int] = frozenset()) -> "tuple[bytes, array[int]]":
    """All pieces in a row, and where each begins, the end of the last one included. About 1 µs a token.

    A control token has none, unless it is in `as_text`.
    """
    buffer = ctypes.create_string_buffer(PIECE_BYTES)
    view, to_piece = memoryview(buffer).cast("B"), llama.llama_token_to_piece
    text, starts = bytearray(), array("I", [0])
    for token in range(size):
        special = token in as_text
        length = to_piece(vocab, token, buffer, PIECE_BYTES, 0, special)
        text += view[:length] if length >= 0 else token_bytes(vocab, token, special=special)
        starts.append(len(text))
    return bytes(text), starts


def load_vocab(path: Path, named: Path | None = None) -> Any:
    """A handle of a model that has its vocabulary only. Raises ModelError naming the file, or `named`."""
    check_readable(path)
    params = llama.llama_model_default_params()
    params.vocab_only = True
    with captured_errors() as lines:
        model = llama.llama_model_load_from_file(os.fsencode(path), params)
    if model is None:
        raise ModelError(f"{named or path}: {load_reason(lines)}")
    give_back_heap()  # loading leaves about 2 MB
    return model
