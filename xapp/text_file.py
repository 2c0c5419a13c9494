"""Text that people write, from a file or a program: UTF-8, with or without a byte order mark."""

from pathlib import Path

ENCODING = "utf-8-sig"


def read_text(path: Path) -> str:
    """The whole file. Raises OSError, UnicodeDecodeError."""
    return decode_text(path.read_bytes())


def decode_text(body: bytes) -> str:
    """UTF-8 as text; every line ends as on Unix. Raises UnicodeDecodeError."""
    return body.decode(ENCODING).replace("\r\n", "\n")


def is_utf8(text: str) -> bool:
    """Whether a message has room for a text: what the system had as other bytes is halves of surrogates."""
    return text.encode(errors="replace").decode() == text


def without_mark(text: str) -> str:
    """Text that was decoded already."""
    return text.removeprefix("\ufeff")
