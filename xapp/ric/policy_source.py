"""The source of policies: all present policies, by instance id."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from xapp.ric.policy_type import PolicyError

MAX_POLICIES = 64
MAX_ID_CHARS = 128

Found: TypeAlias = Mapping[str, "Any | PolicyError"]
"""Payloads by instance id; PolicyError in place of an unreadable payload."""


class SourceError(Exception):
    """The present policies are unknown. The message says why."""


class PolicySource(Protocol):
    """A source that is read again and again."""

    @property
    def name(self) -> str:
        """The name for the log."""
        ...

    @property
    def period_s(self) -> float:
        """Seconds between two looks."""
        ...

    async def read(self) -> Found:
        """Reads all policies. Raises SourceError."""
        ...


def check_number(number: int) -> None:
    """Raises SourceError when there are too many policies."""
    if number > MAX_POLICIES:
        raise SourceError(f"has {number} policies, at most {MAX_POLICIES} are taken")


def is_instance_id(value: object) -> bool:
    """Whether the text is a valid instance id."""
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARS and value.isprintable()
