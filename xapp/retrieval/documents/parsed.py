"""The text of a document, and the sections that its titles make."""

from dataclasses import dataclass, field

MAX_TEXT_CHARS = 10_000_000
"""Characters of a document's text: its passages fit into one message between processes."""
MAX_TITLE_CHARS = 200


class Unread(Exception):
    """A document that cannot be read. `reason` is for programs, the message for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the text, with the titles above it, the outermost first."""

    start: int
    end: int
    titles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """`title` is the document's own, "" where it has none. The sections do not overlap, and are in order."""

    text: str
    sections: tuple[Section, ...]
    title: str = ""


@dataclass(slots=True)
class Outline:
    """Collects sections while a text is read from its begin to its end."""

    sections: list[Section] = field(default_factory=list)
    first_title: str = ""
    _titles: list[tuple[int, str]] = field(default_factory=list)
    _start: int = 0

    def heading(self, level: int, title: str, start: int, end: int) -> None:
        """A title of this level (1 is the outermost) stands from `start` to `end`."""
        self.close(start)
        title = " ".join(title.split())[:MAX_TITLE_CHARS]
        while self._titles and self._titles[-1][0] >= level:
            self._titles.pop()
        self._titles.append((level, title))
        self.first_title = self.first_title or title
        self._start = end

    def close(self, end: int) -> None:
        """The section that is open ends here."""
        if end > self._start:
            self.sections.append(Section(self._start, end, tuple(title for _, title in self._titles)))
        self._start = end
