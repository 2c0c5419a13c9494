"""The Principal of the call that the current task works on."""

from contextvars import ContextVar
from dataclasses import dataclass

from xapp import logs
from xapp.domain.scope import EVERYBODY


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `name` is "" for a caller without a name.

    `proved`: a credential proves the name. Otherwise it is the caller's own claim. `groups`: the caller's
    groups, by its credential. `scope`: its computations are shared within it.
    """

    name: str = ""
    proved: bool = False
    groups: tuple[str, ...] = ()
    scope: str = EVERYBODY


ANONYMOUS = Principal()

current: ContextVar[Principal] = ContextVar("principal", default=ANONYMOUS)


def enter(who: Principal) -> None:
    """Sets the Principal of the current task. The log has the name if it is proven."""
    current.set(who)
    logs.principal.set(who.name if who.proved else "")
