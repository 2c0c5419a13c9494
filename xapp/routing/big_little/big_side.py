"""BigSide: the big model as a little model sees it, on this node or on another."""

from dataclasses import dataclass
from typing import Protocol

from xapp.domain.requests import Request
from xapp.domain.verification import Drafted, Opened, Opening, Verdict
from xapp.errors import XappError

PERMANENT = frozenset(
    {"FAILED_PRECONDITION", "INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED"}
)
"""Codes of errors that no other attempt mends."""


class Traffic:
    """Bytes of messages between two nodes."""

    def __init__(self) -> None:
        self.num_sent = self.num_received = 0


@dataclass(frozen=True, slots=True)
class Guidance:
    """The beginning of an answer. `whole`: the answer ends there."""

    text: str
    whole: bool
    model: str


class BigSession(Protocol):
    """A session, as `domain.verification` describes it."""

    @property
    def opened(self) -> Opened:
        """The model behind the session."""
        ...

    async def verify(self, drafted: Drafted) -> Verdict:
        """Raises XappError. A session that raised is not used again."""
        ...

    async def aclose(self) -> None:
        """Ends the session without waiting for the other node. Safe to call twice."""
        ...


class BigSide(Protocol):
    """Where the big model is. Every method raises XappError, and counts its bytes in `traffic`."""

    async def open_session(self, opening: Opening, traffic: Traffic) -> BigSession:
        """A session for one sequence of tokens. The model of `opening` is not used."""
        ...

    async def write(self, request: Request, traffic: Traffic) -> Guidance:
        """The big model's answer, of at most `max_tokens`. The model of `request` is not used."""
        ...

    async def aclose(self) -> None:
        """Ends all connections."""
        ...


def is_permanent(error: XappError) -> bool:
    """Whether no other attempt can mend the error."""
    return error.code in PERMANENT
