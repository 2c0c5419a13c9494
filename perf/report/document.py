"""What a report consists of, before it is HTML or Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph. `warning` is for what makes figures less than they seem."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list of sentences."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of as many cells as there are columns; the first `num_words` columns are words, the rest numbers.

    `details` is for what few read: HTML folds it, Markdown leaves it to the result file.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    num_words: int = 1
    details: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """One drawing. `name` becomes a file's; `caption` says how to read it, `alt` what it shows."""

    name: str
    caption: str
    alt: str
    svg: bytes = field(repr=False)


Block: TypeAlias = Text | Items | Table | Picture


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what is under it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Document:
    """The whole report."""

    title: str
    sections: Sequence[Section]

    @property
    def pictures(self) -> list[Picture]:
        """All, in order. Their names differ."""
        found = [block for section in self.sections for block in section.blocks if isinstance(block, Picture)]
        assert len({each.name for each in found}) == len(found)
        return found
