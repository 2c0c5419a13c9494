"""Text to tokens and back for one model: chat template, special tokens, streams.

Who may write control tokens (`<|im_end|>` and the like)? The template may, and the author of a raw
`prompt`, who may write ChatML by hand. The content of a chat message may not: there the same
characters are plain text, whatever a subscriber's data says. `guard` tells which texts these are. What a
model writes in several ordinary tokens (Llama 2's `[INST]`) cannot be told from content by anyone.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xapp.backend.tokenizer import Tokenizer
from xapp.domain.chat import ChatMessage
from xapp.errors import InvalidArgument, ModelError
from xapp.text.guard import MARK, Guard
from xapp.text.runs import cut_runs
from xapp.text.stream_text import TextStream

if TYPE_CHECKING:
    from xapp.text.template import ChatTemplate

# llama.cpp takes quadratic time in control tokens: above this many they are cut out here.
_MANY_CONTROLS = 64
# No vocabulary joins it to what follows; it is few tokens.
_ANCHOR, _MOST_OF_ANCHOR = "\n", 4
_SPACE = " \t\n\v\f\r"


class TextCodec:
    """Everything about one model's text. Not for use after `close`.

    `max_piece_bytes` is the most bytes of text that one token can stand for: a text of n bytes is
    at least n / max_piece_bytes tokens, so what can never fit is refused without tokenizing it.
    """

    def __init__(self, tokenizer: Tokenizer, *, name: str = "model") -> None:
        self._tokenizer = tokenizer
        self._name = name
        self.max_piece_bytes = tokenizer.max_piece_bytes
        self.has_chat_template = tokenizer.chat_template is not None
        self._guard = Guard(tokenizer)
        self._template_fault: ModelError | None = None
        self._template = self._compile()

    def encode(self, text: str, *, special: bool = True, add_bos: bool = True) -> list[int]:
        """A raw prompt's tokens; `special` turns the text of control tokens into them.

        BOS comes first where the model wants one and the text does not begin with it.
        """
        if special and self._has_many_controls(text):
            tokens = self._encode_parts(text)
        else:
            tokens = self._tokenize(text, special=special)
        return self._bos(tokens) + tokens if add_bos else tokens

    def render(self, messages: Sequence[ChatMessage]) -> str:
        """The prompt that the chat template makes, open for the answer.

        Raises InvalidArgument with field `chat` when the model has no template or it refuses the
        messages; ModelError when the template is broken or not harmless.
        """
        if self._template_fault is not None:
            raise self._template_fault
        if self._template is None:
            raise InvalidArgument(
                "chat", "this model has no chat template: send `prompt` instead", reason="NO_CHAT_TEMPLATE"
            )
        return self._template.render(messages)

    def encode_chat(self, messages: Sequence[ChatMessage]) -> list[int]:
        """A conversation's tokens; control tokens come from the template only. Raises as `render`."""
        if not any(self._guard.concerns(message.content) for message in messages):
            return self.encode(self.render(messages))
        marked = [ChatMessage(message.role, self._guard.mark(message.content)) for message in messages]
        tokens = self._encode_parts(self.render(marked))
        return self._bos(tokens) + tokens

    def encode_answers(self, messages: Sequence[ChatMessage], answers: Sequence[str]) -> list[list[int]]:
        """A conversation's tokens with the beginning of each answer behind it, "" for none.

        An answer is content: it makes no control tokens. Raises as `render`.
        """
        marked = [ChatMessage(message.role, self._guard.mark(message.content)) for message in messages]
        rendered = self.render(marked) + MARK
        wholes = [self._encode_parts(rendered + self._guard.mark(answer)) for answer in answers]
        return [self._bos(tokens) + tokens for tokens in wholes]

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for."""
        return self._tokenizer.piece(token)

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
            # A broken template is no reason not to serve `prompt`.
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
        """Control tokens where the text has them unmarked, plain text between: llama.cpp's own way."""
        tokens: list[int] = []
        for part in self._parts(text):
            if isinstance(part, int):
                tokens.append(int(part))
            elif part:
                tokens += self._encode_plain(part)
        return tokens

    def _encode_plain(self, text: str) -> list[int]:
        """Text whose marks say where a message had guarded text.

        Mostly the tokenizer leaves that alone. Where it does not, it never sees it whole.
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
        """Text that goes on after other text: without the space that some vocabularies put before a text."""
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
