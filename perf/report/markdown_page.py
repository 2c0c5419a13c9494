"""A document as Markdown, with its pictures as files beside it."""

import re
from collections.abc import Iterable

from perf.report.document import Block, Document, Items, Picture, Section, Table, Text

FOLDER = "pictures"


def render(document: Document, *, pictures: bool = True) -> str:
    """The text; pictures are linked as FOLDER/NAME.svg. Tables of details are left to the result files."""
    sections = [rendered for each in document.sections if (rendered := _section(each, pictures=pictures))]
    return "\n\n".join([f"# {_plain(document.title)}", *sections]) + "\n"


def _section(section: Section, *, pictures: bool) -> str:
    blocks = [_block(each) for each in section.blocks if _is_shown(each, pictures=pictures)]
    return "\n\n".join([f"## {_plain(section.title)}", *blocks]) if blocks else ""


def _is_shown(block: Block, *, pictures: bool) -> bool:
    if isinstance(block, Picture):
        return pictures
    return not (isinstance(block, Table) and block.details)


def _block(block: Block) -> str:
    match block:
        case Text():
            return f"> **Note:** {_plain(block.text)}" if block.warning else _plain(block.text)
        case Items():
            return "\n".join(f"- {_plain(each)}" for each in block.items)
        case Table():
            return f"**{_plain(block.caption)}**\n\n{_table(block)}"
        case Picture():
            return f"![{_plain(block.alt)}]({FOLDER}/{block.name}.svg)\n\n{_plain(block.caption)}"


def _table(table: Table) -> str:
    ruler = ["---" if number < table.num_words else "---:" for number in range(len(table.columns))]
    return "\n".join(
        map(_row, [list(map(_plain, table.columns)), ruler, *(map(_plain, r) for r in table.rows)])
    )


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(text: str) -> str:
    """Text of others stays text: no markup, no line that ends a table's row."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))
