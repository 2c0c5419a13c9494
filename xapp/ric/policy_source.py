"""Where policies come from: all that there are now, each by its instance's id."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from xapp.ric.policy_type import PolicyError

MAX_POLICIES = 64
MAX_ID_CHARS = 128

Found: TypeAlias = Mapping[str, "Any | PolicyError"]
"""Payloads by instance id; PolicyError where one cannot be read."""


class SourceError(Exception):
    """Nobody knows which policies there are now; the message says why."""


class PolicySource(Protocol):
    """Looked at again and again."""

    @property
    def name(self) -> str:
        """For the log."""
        ...

    @property
    def period_s(self) -> float:
        """Seconds between two looks."""
        ...

    async def read(self) -> Found:
        """Raises SourceError."""
        ...


def check_number(number: int) -> None:
    """Raises SourceError for more policies than are bearable."""
    if number > MAX_POLICIES:
        raise SourceError(f"has {number} policies, at most {MAX_POLICIES} are taken")


def is_instance_id(value: object) -> bool:
    """Whether a policy may be called so."""
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARS and value.isprintable()
