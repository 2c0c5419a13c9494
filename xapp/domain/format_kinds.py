"""The formats that a caller can request, unchecked."""

from dataclasses import dataclass
from typing import TypeAlias

from xapp.domain.chat import Tool


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The text of a JSON schema."""

    text: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """The text of a GBNF grammar."""

    text: str


@dataclass(frozen=True, slots=True)
class Choices:
    """The only permitted answers."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """Calls of tools. Without `required` the answer may be plain text, or text before the calls.

    `parallel`: there may be several calls.
    """

    tools: tuple[Tool, ...]
    required: bool = False
    parallel: bool = True


Format: TypeAlias = JsonSchema | Grammar | Choices | ToolCalls


class FormatError(ValueError):
    """The format cannot be used. `place` is a JSON pointer, "" for the whole format."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)


def pointer(place: str, key: str | int) -> str:
    """The JSON pointer (RFC 6901) of `key` in the value at `place`."""
    return f"{place}/{str(key).replace('~', '~0').replace('/', '~1')[:80]}"
