"""From bytes to text. Nothing is guessed: a text is UTF-8, or says what it is by a mark or a charset."""

import codecs
import re

from xapp.retrieval.documents.parsed import MAX_TEXT_CHARS, Unread

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LOOKED_AT_BYTES = 8192
_CHARSETS = re.compile(
    r"utf-?(8|16|32)(-?[lb]e)?|us-ascii|ascii|iso-?8859-?\d+|latin-?1|windows-?125\d|cp\d+|koi8-[ru]|"
    r"shift_?jis|euc-(jp|kr)|gb(k|2312|18030)|big5",
    re.IGNORECASE,
)


def decode(content: bytes, charset: str = "") -> str:
    """The text, with a line feed at the end of each line. Raises Unread, reason BAD_ENCODING or NOT_TEXT."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return _lines(_decoded(content[len(mark) :], name))
    if b"\0" in content[:_LOOKED_AT_BYTES] and not charset.lower().startswith(("utf-16", "utf-32")):
        raise Unread("NOT_TEXT", "has zero bytes: it is no text")
    return _lines(_decoded(content, charset or "utf-8"))


def _decoded(content: bytes, charset: str) -> str:
    if not _CHARSETS.fullmatch(charset):
        raise Unread("BAD_ENCODING", f"the charset {charset[:32]!r} is not known")
    try:
        return content.decode(charset)
    except UnicodeDecodeError as error:
        text = (
            f"is no {charset}: byte 0x{content[error.start]:02x} at place {error.start:,}; "
            "convert it, or send its charset in the media type"
        )
        raise Unread("BAD_ENCODING", text) from error
    except LookupError as error:
        raise Unread("BAD_ENCODING", f"the charset {charset[:32]!r} is not known") from error


def _lines(text: str) -> str:
    if len(text) > MAX_TEXT_CHARS:
        raise Unread("TOO_LARGE", f"has {len(text):,} characters, more than {MAX_TEXT_CHARS:,}")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ")
