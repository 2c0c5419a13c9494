"""Text to tokens and back for one model: chat template, special tokens, streams.

Who may write control tokens (`<|im_end|>` and the like)? The template may, and so may the author of a raw
`prompt`, who can write ChatML by hand. The content of a chat message may not: the same characters are plain
text there, so that a subscriber's data cannot open a turn. `guard` knows these texts. Markup that a model
writes in several ordinary tokens (Llama 2's `[INST]`) cannot be distinguished from content.
"""

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from xapp.backend.tokenizer import Tokenizer
from xapp.domain.chat import ChatMessage
from xapp.errors import InvalidArgument, ModelError
from xapp.text.guard import MARK, Guard
from xapp.text.messages import vocabulary_digest
from xapp.text.runs import cut_runs
from xapp.text.stream_text import TextStream
from xapp.text.tool_turns import Mark, unmarked

if TYPE_CHECKING:
    from xapp.text.template import ChatTemplate

# llama.cpp takes quadratic time in control tokens: texts with more are split here.
_MANY_CONTROLS = 64
# A character that no vocabulary joins with the next text, and that has few tokens.
_ANCHOR, _MOST_OF_ANCHOR = "\n", 4
_SPACE = " \t\n\v\f\r"


class TextCodec:
    """The text functions of one model. Not for use after `close`.

    `max_piece_bytes` is the largest number of bytes of one token: a text of n bytes has at least
    n / max_piece_bytes tokens, so that a text that can never fit is refused without tokenizing it.
    """

    def __init__(self, tokenizer: Tokenizer, *, name: str = "model") -> None:
        self._tokenizer = tokenizer
        self._name = name
        self.max_piece_bytes = tokenizer.max_piece_bytes
        self.has_chat_template = tokenizer.chat_template is not None
        self.frames = tokenizer.frames
        self._guard = Guard(tokenizer)
        self._template_fault: ModelError | None = None
        self._template = self._compile()

    def encode(self, text: str, *, special: bool = True, add_bos: bool = True) -> list[int]:
        """The tokens of a raw prompt. `special` turns the text of control tokens into control tokens.

        BOS comes first where the model requires it and the text does not begin with it.
        """
        if special and self._has_many_controls(text):
            tokens = self._encode_parts(text)
        else:
            tokens = self._tokenize(text, special=special)
        return self._bos(tokens) + tokens if add_bos else tokens

    def encode_text(self, text: str) -> list[int]:
        """The tokens of a text that becomes a vector: no special tokens, whatever it says."""
        return self._tokenize(text)

    def render(self, messages: Sequence[ChatMessage], mark: Mark = unmarked) -> str:
        """The prompt that the chat template makes, open for the answer. `mark` is applied to each text of a
        caller.

        Raises InvalidArgument with field `chat` when the model has no template or the template refuses the
        messages, ModelError when the template is faulty or not allowed.
        """
        if self._template_fault is not None:
            raise self._template_fault
        if self._template is None:
            raise InvalidArgument(
                "chat", "this model has no chat template: send `prompt` instead", reason="NO_CHAT_TEMPLATE"
            )
        return self._template.render(messages, mark)

    def encode_chat(self, messages: Sequence[ChatMessage]) -> list[int]:
        """The tokens of a conversation. Control tokens come from the template only. Raises as `render`."""
        rendered = self.render(messages, self._guard.mark)
        if MARK not in rendered:
            return self.encode(rendered)
        tokens = self._encode_parts(rendered)
        return self._bos(tokens) + tokens

    def encode_answers(self, messages: Sequence[ChatMessage], answers: Sequence[str]) -> list[list[int]]:
        """The tokens of a conversation, followed by the beginning of each answer, "" for none.

        An answer is content, so that it makes no control tokens. Raises as `render`.
        """
        rendered = self.render(messages, self._guard.mark) + MARK
        wholes = [self._encode_parts(rendered + self._guard.mark(answer)) for answer in answers]
        return [self._bos(tokens) + tokens for tokens in wholes]

    def piece(self, token: int) -> bytes:
        """The bytes of a token."""
        return self._tokenizer.piece(token)

    @property
    def vocabulary(self) -> str:
        """SHA-256, with "sha256:" before it, of the bytes of all tokens. It reads all of them."""
        pieces = [self._tokenizer.piece(token) for token in range(self._tokenizer.size)]
        starts = array("I", accumulate(map(len, pieces), initial=0))
        return vocabulary_digest(b"".join(pieces), starts.tobytes())

    def stream(self, stop: Sequence[str] = ()) -> TextStream:
        """The text of one answer."""
        return TextStream(self._tokenizer.piece, stop)

    def close(self) -> None:
        """Frees the vocabulary. Safe to call twice."""
        self._tokenizer.close()

    def _compile(self) -> "ChatTemplate | None":
        source = self._tokenizer.chat_template
        if source is None:
            return None
        # Imported here: a model without a template needs no Jinja.
        from xapp.text.template import ChatTemplate  # noqa: PLC0415

        try:
            return ChatTemplate(
                source,
                name=self._name,
                bos=self._token_text(self._tokenizer.bos),
                eos=self._token_text(self._tokenizer.eos),
            )
        except ModelError as error:
            # With a faulty template the model still serves `prompt`.
            self._template_fault = error
            return None

    def _token_text(self, token: int | None) -> str:
        return "" if token is None else self._tokenizer.text(token)

    def _bos(self, tokens: list[int]) -> list[int]:
        bos = self._tokenizer.bos
        if not self._tokenizer.add_bos or bos is None or tokens[:1] == [bos]:
            return []
        return [bos]

    def _has_many_controls(self, text: str) -> bool:
        matches = self._guard.control.finditer(text)
        return sum(1 for _ in zip(range(_MANY_CONTROLS), matches, strict=False)) == _MANY_CONTROLS

    def _tokenize(self, text: str, *, special: bool = False) -> list[int]:
        if not self._tokenizer.splits_words:
            return self._tokenizer.tokenize(text, parse_special=special)
        tokens: list[int] = []
        for part in cut_runs(text):
            tokens += self._tokenizer.tokenize(part, parse_special=special)
        return tokens

    def _encode_parts(self, text: str) -> list[int]:
        """Control tokens for unmarked texts of control tokens, plain text between, as llama.cpp does it."""
        tokens: list[int] = []
        for part in self._parts(text):
            if isinstance(part, int):
                tokens.append(int(part))
            elif part:
                tokens += self._encode_plain(part)
        return tokens

    def _encode_plain(self, text: str) -> list[int]:
        """Tokenizes text in which marks separate the guarded texts of a message.

        Mostly the tokenizer keeps the marked text apart. Otherwise the text is passed in parts.
        """
        tokens = self._tokenize(text.replace(MARK, ""))
        if MARK not in text or self._guard.tokens.isdisjoint(tokens):
            return tokens
        first, *others = filter(None, text.split(MARK))
        tokens = self._tokenize(first)
        for part in others:
            tokens += self._encode_further(part)
        return tokens

    def _encode_further(self, text: str) -> list[int]:
        """Tokenizes text in the middle: without the space that some vocabularies put before a text."""
        tokens = self._tokenize(text)
        data = text.encode(errors="replace")
        if self._bytes(tokens) == data:
            return tokens
        anchored = self._tokenize(_ANCHOR + text)
        starts = range(min(len(anchored), _MOST_OF_ANCHOR + 1))
        start = next((at for at in starts if self._bytes(anchored[at:]) == data), None)
        return tokens if start is None else anchored[start:]

    def _bytes(self, tokens: Sequence[int]) -> bytes:
        return b"".join(map(self._tokenizer.piece, tokens))

    def _parts(self, text: str) -> Iterator[str | int]:
        start, strip_next = 0, False
        for match in self._guard.control.finditer(text):
            control = self._guard.controls[match[0]]
            yield _strip(text[start : match.start()], strip_next, control.lstrip)
            yield control
            start, strip_next = match.end(), control.rstrip
        yield _strip(text[start:], strip_next, False)


def _strip(text: str, left: bool, right: bool) -> str:
    text = text.lstrip(_SPACE) if left else text
    return text.rstrip(_SPACE) if right else text
