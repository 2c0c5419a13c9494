"""The interface between text and tokens: `vocab.Vocab` for a file, `byte_vocab.ByteVocab` without one."""

from typing import Protocol, Self

from xapp.domain.text_frames import TextFrames


class Control(int):
    """A control token's id, and whether it strips the white space before and after it."""

    lstrip: bool
    rstrip: bool

    def __new__(cls, token: int, lstrip: bool = False, rstrip: bool = False) -> Self:
        """A plain int to llama.cpp."""
        control = super().__new__(cls, token)
        control.lstrip = lstrip
        control.rstrip = rstrip
        return control


class Tokenizer(Protocol):
    """The parts of a vocabulary that the text layer needs: `Vocab` for a file, `ByteVocab` for tests.

    `controls` maps the text of each control token to the token. `added` has the user-defined tokens that the
    model's author added, `markup` any other token whose text stands in brackets.
    """

    bos: int | None
    eos: int | None
    add_bos: bool
    chat_template: str | None
    max_piece_bytes: int
    size: int
    controls: dict[str, Control]
    added: dict[str, Control]
    markup: dict[str, Control]
    frames: TextFrames
    splits_words: bool
    """Whether regular expressions split the text first, so that it may be cut between words beforehand."""

    def tokenize(
        self, text: str | bytes, *, add_special: bool = False, parse_special: bool = False
    ) -> list[int]:
        """Token ids; `parse_special` turns the text of control tokens into them."""
        ...

    def piece(self, token: int) -> bytes:
        """The bytes of a token in an answer; b"" for control tokens."""
        ...

    def text(self, token: int) -> str:
        """The token's text in the vocabulary, for instance `<|im_end|>`."""
        ...

    def close(self) -> None:
        """Frees native memory. Safe to call twice."""
        ...
