"""PDF: the text of its pages, by pypdf. Its clauses are its sections; without clauses, its pages."""

import importlib.util
import io
import logging

from xapp.extras import how_to_add
from xapp.retrieval.documents import clauses
from xapp.retrieval.documents.parsed import MAX_TEXT_CHARS, MAX_TITLE_CHARS, Parsed, Section, Unread

MAX_PAGES = 5000
_BETWEEN = "\n\n"


def parse(content: bytes) -> Parsed:
    """Raises Unread; MemoryError within the limits of the process."""
    try:
        pages, title = _read(content)
    except (Unread, MemoryError):
        raise
    except Exception as error:  # pypdf raises errors of every kind on broken files
        raise Unread(
            "UNREADABLE", f"is no PDF that can be read: {type(error).__name__}: {error}"[:300]
        ) from error
    text = _BETWEEN.join(pages)
    if not text.strip():
        raise Unread("EMPTY", "has no text: it may be a scan")
    return clauses.parse(text, title) or Parsed(text, tuple(_sections(pages)), title)


def is_installed() -> bool:
    """Whether PDF files can be read here."""
    return importlib.util.find_spec("pypdf") is not None


def _read(content: bytes) -> tuple[list[str], str]:
    if not is_installed():
        raise Unread("UNREADABLE", f"needs the extra for PDF files: {how_to_add('server,retrieval')}")
    import pypdf  # noqa: PLC0415  only a node with PDFs pays for it

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = pypdf.PdfReader(io.BytesIO(content), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unread("UNREADABLE", "is encrypted")
    pages: list[str] = []
    length = 0
    for number, page in enumerate(reader.pages):
        if number >= MAX_PAGES:
            raise Unread("TOO_LARGE", f"has more than {MAX_PAGES:,} pages")
        pages.append(page.extract_text().replace("\0", " "))
        length += len(pages[-1])
        if length > MAX_TEXT_CHARS:
            raise Unread("TOO_LARGE", f"has more than {MAX_TEXT_CHARS:,} characters of text")
    return pages, _title(reader)


def _title(reader: object) -> str:
    found = getattr(getattr(reader, "metadata", None), "title", None)
    return " ".join(found.split())[:MAX_TITLE_CHARS] if isinstance(found, str) else ""


def _sections(pages: list[str]) -> list[Section]:
    sections, start = [], 0
    for number, page in enumerate(pages, 1):
        sections.append(Section(start, start + len(page), (f"page {number}",)))
        start += len(page) + len(_BETWEEN)
    return sections
