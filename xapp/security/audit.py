"""The audit: a log record for each call of a proven principal, with its outcome and without texts.

Refused callers are in the records of `refusals`.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import monotonic

from xapp import logs
from xapp.errors import PermissionDenied, Unauthenticated, XappError
from xapp.security import principal

MAX_CHARS = 128
"""Length limit of a name that a caller wrote."""
NAMES = ("model", "task", "name")
"""The request fields that are logged."""

INTERNAL = "internal"
"""The outcome of a defect."""

_log = logging.getLogger("xapp.audit")


@dataclass(slots=True)
class _Notes:
    """What a handler tells of its call. `outcome` is for a call that ends without raising its error."""

    names: dict[str, str] = field(default_factory=dict)
    outcome: str = "ok"


_present: ContextVar[_Notes | None] = ContextVar("audit_notes", default=None)


def note(**names: str) -> None:
    """Adds names of NAMES to the record of the present call."""
    if (notes := _present.get()) is not None:
        notes.names |= names


def note_failure(error: XappError) -> None:
    """The outcome of the present call, whose answer had begun when the error came."""
    if (notes := _present.get()) is not None:
        notes.outcome = error.reason.lower()


@contextmanager
def audited(
    method: str,
    peer: str,
    names: Callable[[], Mapping[str, str]] = dict,
    outcome_of: Callable[[BaseException], str] = lambda _: INTERNAL,
) -> Iterator[None]:
    """Surrounds a call. `names` is called at its end. `outcome_of` names errors that are no XappError."""
    begin = monotonic()
    notes = _Notes()
    token = _present.set(notes)
    outcome = ""
    try:
        yield
        outcome = notes.outcome
    except (Unauthenticated, PermissionDenied):
        outcome = ""
        raise
    except XappError as error:
        outcome = error.reason.lower()
        raise
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    except BaseException as error:
        outcome = outcome_of(error)
        raise
    finally:
        _present.reset(token)
        if outcome and principal.current.get().proved:
            _record(method, peer, notes.names | dict(names()), outcome, monotonic() - begin)


def _record(method: str, peer: str, names: Mapping[str, str], outcome: str, seconds: float) -> None:
    fields: dict[str, object] = {"event": "audit", "method": method, "peer": peer, "outcome": outcome}
    fields |= {key: value[:MAX_CHARS] for key, value in names.items() if value}
    fields["duration_s"] = round(seconds, 6)
    logs.event(_log, "audit", fields)
