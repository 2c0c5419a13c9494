"""Turns what llama.cpp logs about a failed load into a reason with advice."""

import re
from collections.abc import Sequence
from pathlib import Path

from xapp.errors import ModelError

_PLACE = re.compile(r"^(?:\w+: )*(?:error loading model: )?")
"""The prefix of a message: the C function that logged it."""
_MEANINGS = (
    ("magic", "not a GGUF file"),
    ("failed to read", "truncated or corrupt"),
    ("exceeds maximum", "corrupt"),
    ("number of", "corrupt"),
)


def check_readable(path: Path) -> None:
    """Raises ModelError with the system's reason for an unreadable file, which llama.cpp does not state."""
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error


def load_reason(lines: Sequence[str]) -> str:
    """The reason in `lines`, the error lines in order: the first is the cause, the others follow from it."""
    if not lines:
        return "llama.cpp cannot load it"
    cause = _PLACE.sub("", lines[0])
    meaning = next((meaning for sign, meaning in _MEANINGS if sign in cause), None)
    return f"{meaning} ({cause})" if meaning else cause
