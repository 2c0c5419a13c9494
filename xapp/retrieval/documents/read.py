"""From the bytes of a document to its passages: what it is, its text, its sections, the cuts."""

from collections.abc import Callable

from xapp.domain.documents import Passage
from xapp.retrieval.documents import clauses, html_text, markdown, pdf_text
from xapp.retrieval.documents.cut import cut
from xapp.retrieval.documents.decode import decode
from xapp.retrieval.documents.parsed import Parsed, Section, Unread

MARKDOWN, TEXT, HTML, PDF = "text/markdown", "text/plain", "text/html", "application/pdf"
ENDINGS = {
    **dict.fromkeys((".md", ".markdown", ".mkd"), MARKDOWN),
    **dict.fromkeys((".txt", ".text", ".rst", ".log", ".asn", ".asn1", ".yang", ".proto", ".csv"), TEXT),
    **dict.fromkeys((".html", ".htm", ".xhtml"), HTML),
    ".pdf": PDF,
}
"""Endings of names, and what the files are."""
MAX_PASSAGES = 20_000
_MAGIC = ((b"%PDF-", PDF), (b"PK\x03\x04", ""), (b"\x7fELF", ""), (b"\x89PNG", ""), (b"\xff\xd8\xff", ""))


def read(
    name: str, media_type: str, content: bytes, passage_chars: int, overlap_chars: int
) -> tuple[str, list[Passage]]:
    """The document's own title, "" where it has none, and its passages. Raises Unread."""
    kind, charset = _kind(name, media_type, content)
    parsed = _parse(kind, charset, content)
    passages = cut(parsed, passage_chars, overlap_chars)
    if not passages:
        raise Unread("EMPTY", "has no text")
    if len(passages) > MAX_PASSAGES:
        raise Unread("TOO_MANY_PASSAGES", f"makes {len(passages):,} passages, more than {MAX_PASSAGES:,}")
    return parsed.title, passages


def is_pdf(name: str, media_type: str, content: bytes) -> bool:
    """Whether the document will be read as a PDF."""
    return PDF in (media_type.strip().lower(), _by_ending(name), _by_content(content[:8]))


def _kind(name: str, media_type: str, content: bytes) -> tuple[str, str]:
    """The media type, and the charset that it names, or ""."""
    kind, _, parameters = media_type.partition(";")
    kind = kind.strip().lower() or _by_ending(name) or _by_content(content)
    if kind not in ENDINGS.values():
        what = f"the type {kind[:64]!r} is not known" if kind else "its content is of no known type"
        known = ", ".join(dict.fromkeys(ENDINGS.values()))
        raise Unread("UNKNOWN_TYPE", f"{what}: there are {known}")
    return kind, _charset(parameters)


def _charset(parameters: str) -> str:
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset":
            return value.strip().strip('"')
    return ""


def _by_ending(name: str) -> str:
    dot = name.rfind(".")
    return ENDINGS.get(name[dot:].lower(), "") if dot >= 0 else ""


def _by_content(content: bytes) -> str:
    for start, kind in _MAGIC:
        if content.startswith(start):
            return kind
    start = content[:512].lstrip().lower()
    return HTML if start.startswith((b"<!doctype html", b"<html")) else TEXT


def _parse(kind: str, charset: str, content: bytes) -> Parsed:
    if kind == PDF:
        return pdf_text.parse(content)
    text = decode(content, charset or (html_text.charset_of(content) if kind == HTML else ""))
    parse: Callable[[str], Parsed] = {MARKDOWN: markdown.parse, HTML: html_text.parse}.get(kind, _plain)
    return parse(text)


def _plain(text: str) -> Parsed:
    return clauses.parse(text) or Parsed(text, (Section(0, len(text)),))
