"""TextStream: turns arriving tokens into text, in whole characters and without stop strings.

A token is a run of bytes, not of characters: a character may be spread over several tokens, and a
stop string may begin in one token and end in another. This module knows no model.
"""

from codecs import utf_8_decode
from collections.abc import Callable, Iterable, Sequence


class TextStream:
    """The text of one answer. `piece` returns the bytes of a token. `stop` are texts that end the answer.

    The first complete stop string ends the text. Of two stop strings that are complete at the same
    character, the longer one counts. The stop string and all text behind it are dropped.
    """

    __slots__ = ("_bytes", "_first", "_held", "_longest", "_piece", "_stop", "stop_text", "stopped")

    def __init__(self, piece: Callable[[int], bytes], stop: Sequence[str] = ()) -> None:
        self._piece = piece
        self._stop = tuple(text for text in stop if text)
        self._first = frozenset(text[0] for text in self._stop)
        self._longest = max(map(len, self._stop), default=0)
        self._bytes = b""
        self._held = ""
        self.stopped = False
        """Whether a stop string is complete."""
        self.stop_text = ""
        """The stop string that is complete."""

    def feed(self, tokens: Iterable[int]) -> str:
        """The text that can no longer change; "" after the stop."""
        data = self._bytes + b"".join(map(self._piece, tokens))
        text, used = utf_8_decode(data, "replace", False)
        self._bytes = data[used:]
        return self._release(text) if self._stop else text

    def flush(self) -> str:
        """The remaining text at the end of the answer. An incomplete character becomes U+FFFD."""
        text, _ = utf_8_decode(self._bytes, "replace", True)
        self._bytes = b""
        if not self._stop:
            return text
        released = self._release(text)
        held, self._held = self._held, ""
        return released + held

    def _release(self, text: str) -> str:
        if self.stopped:
            return ""
        text = self._held + text
        if (found := self._find_stop(text)) is not None:
            cut, self.stop_text = found
            self.stopped = True
            self._held = ""
            return text[:cut]
        keep = self._first_partial(text)
        self._held = text[keep:]
        return text[:keep]

    def _find_stop(self, text: str) -> tuple[int, str] | None:
        """The start of the first complete stop string, and the stop string."""
        found = [(start + len(stop), start, stop) for stop in self._stop if (start := text.find(stop)) >= 0]
        return min(found)[1:] if found else None

    def _first_partial(self, text: str) -> int:
        """Start of the longest suffix that is the beginning of a stop string."""
        for start in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[start] in self._first:
                tail = text[start:]
                if any(stop.startswith(tail) for stop in self._stop):
                    return start
        return len(text)
