"""HTML: the text that a reader sees, with sections by its headings."""

import re
from html.parser import HTMLParser

from xapp.retrieval.documents.parsed import MAX_TEXT_CHARS, Outline, Parsed, Unread

_HIDDEN = frozenset(("script", "style", "noscript", "template", "svg", "nav", "head"))
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_PARTS = ("p", "div", "section", "article", "main", "header", "footer", "aside", "blockquote", "pre", "form")
_LISTS = ("ul", "ol", "dl", "li", "dt", "dd", "table", "tr", "figure", "br", "hr")
_BLOCKS = frozenset((*_PARTS, *_LISTS, *_HEADINGS))
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]{1,32})", re.IGNORECASE)
_HEAD_BYTES = 2048


def charset_of(content: bytes) -> str:
    """What the page says of itself; "" where it says nothing."""
    found = _CHARSET.search(content[:_HEAD_BYTES])
    return found[1].decode("ascii") if found else ""


def parse(page: str) -> Parsed:
    """The text of a page. Raises Unread."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.parsed()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._length = 0
        self._outline = Outline()
        self._hidden: list[str] = []
        self._heading: tuple[int, int] | None = None
        self._in_title = False
        self._keeps_space = 0
        self._title = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = True
        elif tag in _HIDDEN:
            self._hidden.append(tag)
        elif not self._hidden:
            self._begin(tag)

    def _begin(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._break()
        if tag in _HEADINGS:
            self._heading = (_HEADINGS[tag], self._length)
        elif tag == "li":
            self._write("- ")
        elif tag in {"td", "th"}:
            self._write(" ")
        elif tag == "pre":
            self._keeps_space += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif tag in self._hidden:
            while self._hidden and self._hidden.pop() != tag:
                pass
        elif not self._hidden:
            self._end(tag)

    def _end(self, tag: str) -> None:
        if tag in _HEADINGS and self._heading is not None:
            level, start = self._heading
            self._heading = None
            self._break()
            self._outline.heading(level, self._since(start), start, self._length)
        elif tag == "pre":
            self._keeps_space = max(0, self._keeps_space - 1)
        if tag in _BLOCKS:
            self._break()

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self._title += data
        elif not self._hidden:
            self._write(data if self._keeps_space else _joined(data))

    def _break(self) -> None:
        if self._parts and not self._parts[-1].endswith("\n"):
            self._write("\n")

    def _write(self, text: str) -> None:
        if not text or (text == " " and (not self._parts or self._parts[-1][-1:] in {" ", "\n"})):
            return
        self._parts.append(text)
        self._length += len(text)
        if self._length > MAX_TEXT_CHARS:
            raise Unread("TOO_LARGE", f"has more than {MAX_TEXT_CHARS:,} characters of text")

    def _since(self, start: int) -> str:
        """The text from a place on. A heading is short: its parts are the last."""
        parts, length = [], self._length
        for part in reversed(self._parts):
            if length <= start:
                break
            length -= len(part)
            parts.append(part)
        return "".join(reversed(parts))

    def parsed(self) -> Parsed:
        self._outline.close(self._length)
        title = " ".join(self._title.split()) or self._outline.first_title
        return Parsed("".join(self._parts), tuple(self._outline.sections), title)


def _joined(data: str) -> str:
    """White space is one space."""
    return re.sub(r"\s+", " ", data)
