"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """FAIL: a server does not start, or not well. WARN: it is slower or less safe. OK: nothing to do."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """`about` names the check; `text` says what is so; `advice` says what to do, "" for nothing."""

    about: str
    level: Level
    text: str
    advice: str = ""


def good(about: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding(about, Level.OK, text)


def warn(about: str, text: str, advice: str) -> Finding:
    """A server works, and could work better."""
    return Finding(about, Level.WARN, text, advice)


def fail(about: str, text: str, advice: str) -> Finding:
    """A server does not work."""
    return Finding(about, Level.FAIL, text, advice)
