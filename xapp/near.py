"""What somebody may have meant by a name that is not known."""

import difflib
from collections.abc import Iterable

MAX_CHARS = 64
"""A name much longer than any that is known means none of them; comparing it would take long."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like it, whatever its case; "" where none is much like it."""
    if not name or len(name) > MAX_CHARS:
        return ""
    by_fold = {each.casefold(): each for each in sorted(known)}
    found = difflib.get_close_matches(name.casefold(), by_fold, n=1)
    return by_fold[found[0]] if found else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?`, for the end of a message; "" where nothing is near."""
    found = nearest(name, known)
    return f"; did you mean {found}?" if found else ""
