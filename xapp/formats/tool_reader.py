"""Reads the calls out of an answer that may call tools, piece by piece as the text arrives."""

import uuid
from dataclasses import dataclass, field

from xapp.domain.answers import ToolCallDelta
from xapp.formats.tool_calls import AFTER_ARGUMENTS, BEFORE_ARGUMENTS, BEFORE_NAME, OPEN


@dataclass(slots=True)
class Said:
    """What a piece of text said: plain text, and pieces of calls."""

    text: str = ""
    calls: list[ToolCallDelta] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.text or self.calls)


class ToolReader:
    """The grammar of `tool_calls` fixes every character around a name and its arguments."""

    def __init__(self) -> None:
        self._held = ""
        self._read = self._in_text
        self._num_begun = 0
        self.num_complete = 0

    def feed(self, text: str) -> Said:
        """The next text of the answer. A beginning that may become a tag is held back."""
        self._held += text
        said = Said()
        while self._read(said):
            pass
        return said

    def flush(self) -> str:
        """The end of the answer: plain text that was held back."""
        held, self._held = self._held, ""
        return held if self._read == self._in_text and not self._num_begun else ""

    def _in_text(self, said: Said) -> bool:
        text, found = self._until(OPEN)
        # Between calls there is a line break, which is no text.
        if not self._num_begun:
            said.text += text
        if found:
            self._read = self._in_head
        return found

    def _in_head(self, said: Said) -> bool:
        head, separator, rest = self._held.partition(BEFORE_ARGUMENTS)
        if not separator:
            return False
        self._held = rest
        name = head.removeprefix(BEFORE_NAME)
        said.calls.append(ToolCallDelta(self._num_begun, f"call_{uuid.uuid4().hex[:24]}", name))
        self._num_begun += 1
        self._read = self._in_arguments
        return True

    def _in_arguments(self, said: Said) -> bool:
        arguments, found = self._until(AFTER_ARGUMENTS)
        if arguments:
            said.calls.append(ToolCallDelta(self._num_begun - 1, arguments=arguments))
        if found:
            self.num_complete += 1
            self._read = self._in_text
        return found

    def _until(self, tag: str) -> tuple[str, bool]:
        """The text before the tag, which is complete or may still come; and whether it is complete."""
        before, separator, after = self._held.partition(tag)
        if separator:
            self._held = after
            return before, True
        lengths = range(min(len(tag) - 1, len(before)), 0, -1)
        kept = next((length for length in lengths if before.endswith(tag[:length])), 0)
        cut = len(before) - kept
        self._held = before[cut:]
        return before[:cut], False
