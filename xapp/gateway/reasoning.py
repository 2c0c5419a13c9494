"""Tells a model's reasoning, between `<think>` tags, from its answer."""

from dataclasses import dataclass, replace

from xapp.domain.answers import Chunk, Event, Finished
from xapp.domain.format_kinds import ToolCalls
from xapp.domain.requests import Request

OPEN, CLOSE = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A piece of text: reasoning, or answer, or both."""

    reasoning: str = ""
    answer: str = ""


class ReasoningReader:
    """Reads the text of one answer. Reasoning stands at the beginning, or nowhere."""

    def __init__(self, *, inside: bool) -> None:
        self._held = ""
        self._has_reasoning = False
        self._read = self._inside if inside else self._at_begin

    def feed(self, text: str) -> Spoken:
        """The next text. What may become a tag is held back."""
        if self._read == self._behind:
            return Spoken(answer=text)
        self._held += text
        return self._read()

    @property
    def is_done(self) -> bool:
        """Whether all further text is answer."""
        return self._read == self._behind

    @property
    def is_inside(self) -> bool:
        """Whether the text so far ends within reasoning."""
        return self._read == self._inside

    def flush(self) -> Spoken:
        """The end of the answer: the text that was held back."""
        held, self._held = self._held, ""
        return Spoken(reasoning=held) if self._read == self._inside else Spoken(answer=held)

    def _at_begin(self) -> Spoken:
        begin = self._held.lstrip()
        if begin.startswith(OPEN):
            self._held, self._read = begin[len(OPEN) :], self._inside
            return self._inside()
        if OPEN.startswith(begin):
            return Spoken()
        self._read = self._behind
        return self._behind()

    def _inside(self) -> Spoken:
        if not self._has_reasoning:
            self._held = self._held.lstrip("\n")
            self._has_reasoning = bool(self._held)
        reasoning, tag, rest = self._held.partition(CLOSE)
        if tag:
            self._held, self._read = rest, self._after_close
            answer = self._after_close().answer
            return Spoken(reasoning.rstrip("\n"), answer)
        lengths = range(min(len(CLOSE) - 1, len(reasoning)), 0, -1)
        kept = next((length for length in lengths if reasoning.endswith(CLOSE[:length])), 0)
        # Line breaks before the closing tag are no reasoning.
        cut = len(reasoning[: len(reasoning) - kept].rstrip("\n"))
        self._held = reasoning[cut:]
        return Spoken(reasoning=reasoning[:cut])

    def _after_close(self) -> Spoken:
        """Line breaks between the tag and the answer are no answer."""
        self._held = self._held.lstrip("\n")
        if not self._held:
            return Spoken()
        self._read = self._behind
        return self._behind()

    def _behind(self) -> Spoken:
        held, self._held = self._held, ""
        return Spoken(answer=held)


class ReasoningGuard:
    """Call `read` with every event of the answer to a request, in order."""

    def __init__(self, request: Request) -> None:
        wanted = request.format
        self._is_free = wanted is None or (isinstance(wanted, ToolCalls) and not wanted.required)
        self._reader = ReasoningReader(inside=False)
        self._num_tokens = 0
        self._num_reasoning = 0

    @property
    def passes(self) -> bool:
        """Whether chunks need not be read any more."""
        return self._reader.is_done and not self._num_tokens

    def read(self, event: Event) -> list[Event]:
        """The events, with reasoning apart. Tokens that said nothing yet count for the next chunk."""
        if isinstance(event, Chunk):
            return self._apart(event, self._reader.feed(event.text))
        if isinstance(event, Finished):
            rest = self._apart(Chunk("", 0), self._reader.flush())
            return [*rest, replace(event, num_reasoning_tokens=self._num_reasoning)]
        # The prompt opens the reasoning, unless a format forbids it.
        self._reader = ReasoningReader(inside=event.in_reasoning and self._is_free)
        return [event]

    def _apart(self, chunk: Chunk, spoken: Spoken) -> list[Event]:
        self._num_tokens += chunk.num_tokens
        if spoken.reasoning or self._reader.is_inside:
            self._num_reasoning += chunk.num_tokens
        if not (spoken.reasoning or spoken.answer or chunk.tool_calls or chunk.drawn):
            return []
        num_tokens, self._num_tokens = self._num_tokens, 0
        return [replace(chunk, text=spoken.answer, reasoning=spoken.reasoning, num_tokens=num_tokens)]
