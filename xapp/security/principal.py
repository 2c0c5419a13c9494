"""Who makes the call that the current task works on."""

from contextvars import ContextVar
from dataclasses import dataclass

from xapp import logs
from xapp.domain.scope import EVERYBODY


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `name` is "" where the caller has none.

    `proved`: a credential vouches for the name. Else the name is the caller's own claim. `groups` are those
    that the credential says the caller is in. What it computes is shared within `scope`.
    """

    name: str = ""
    proved: bool = False
    groups: tuple[str, ...] = ()
    scope: str = EVERYBODY


ANONYMOUS = Principal()

current: ContextVar[Principal] = ContextVar("principal", default=ANONYMOUS)


def enter(who: Principal) -> None:
    """What the current task does from now on is done for `who`; the log says so where that is proved."""
    current.set(who)
    logs.principal.set(who.name if who.proved else "")
