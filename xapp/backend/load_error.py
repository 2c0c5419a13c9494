"""What llama.cpp logs when a load fails, as a reason that a person can act on."""

import re
from collections.abc import Sequence
from pathlib import Path

from xapp.errors import ModelError

_PLACE = re.compile(r"^(?:\w+: )*(?:error loading model: )?")
"""The C function that said it."""
_MEANINGS = (
    ("magic", "not a GGUF file"),
    ("failed to read", "truncated or corrupt"),
    ("exceeds maximum", "corrupt"),
    ("number of", "corrupt"),
)


def check_readable(path: Path) -> None:
    """llama.cpp does not say why it cannot open a file: this raises ModelError with the system's reason."""
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error


def load_reason(lines: Sequence[str]) -> str:
    """`lines` are the error lines in order: the first is the cause, the rest what followed from it."""
    if not lines:
        return "llama.cpp cannot load it"
    cause = _PLACE.sub("", lines[0])
    meaning = next((meaning for sign, meaning in _MEANINGS if sign in cause), None)
    return f"{meaning} ({cause})" if meaning else cause
