"""Prompts: plain text, or a conversation."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation. `role` is system, user or assistant."""

    role: str
    content: str


Prompt: TypeAlias = str | tuple[ChatMessage, ...]
"""Plain text, or a conversation for the model's template."""
