"""Text of a stranger made harmless for a terminal and for a log.

A model, a server or a caller may write escape sequences, which move the cursor, set the title or hide
what was written, and characters that turn the direction of what follows.
"""

import re

_ACTING = "\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""DEL and C1, the line ends that are none, and what embeds or overrides a direction."""
_IN_JSON = re.compile(f"[{_ACTING}]")
_ON_TERMINAL = re.compile(f"[\x00-\x08\x0b-\x1f{_ACTING}]")


def visible(text: str) -> str:
    r"""What acts in place of being shown is written out: ESC as \x1b. Tabs and line ends stay."""
    return _ON_TERMINAL.sub(_escaped, text.replace("\r\n", "\n"))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def visible_json(line: str) -> str:
    """The same for JSON, which stays equal: JSON itself escapes what is below a space only."""
    return _IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", line)
