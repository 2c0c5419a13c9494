"""Codes of languages: callers say "en-US" or "en", engines know "en"."""

import re

from xapp.errors import InvalidArgument

_CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_ANY = {"", "multi", "auto"}


def to_language(field: str, code: str) -> str:
    """The code in lower case, "" for none. Raises InvalidArgument with the field."""
    if code in _ANY:
        return ""
    if not _CODE.fullmatch(code):
        raise InvalidArgument(field, f"{code[:40]!r} is no code of a language, such as en-US")
    return code.replace("_", "-").lower()


def base(code: str) -> str:
    """The language of a code: that of "en-us" is "en"."""
    return code.partition("-")[0]
