"""Who makes the call that the current task works on."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `name` is "" where the caller has none.

    `proved`: a credential vouches for the name. Else the name is the caller's own claim.
    """

    name: str = ""
    proved: bool = False


ANONYMOUS = Principal()

current: ContextVar[Principal] = ContextVar("principal", default=ANONYMOUS)
"""Set by the edge before a call's method runs."""
