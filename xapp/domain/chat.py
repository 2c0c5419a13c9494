"""What is turned into tokens: text as it is, or a conversation."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn; `role` is system, user or assistant."""

    role: str
    content: str


Prompt: TypeAlias = str | tuple[ChatMessage, ...]
"""Text as it is, or a conversation for the model's template."""
