"""The audit: a log record for each call of a proven principal, with its outcome and without texts.

Refused callers are in the records of `refusals`.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic

from xapp import logs
from xapp.errors import PermissionDenied, Unauthenticated, XappError
from xapp.security import principal

MAX_CHARS = 128
"""Length limit of a name that a caller wrote."""
NAMES = ("model", "task", "name")
"""The request fields that are logged."""

_log = logging.getLogger("xapp.audit")


@contextmanager
def audited(method: str, peer: str, names: Callable[[], Mapping[str, str]]) -> Iterator[None]:
    """Surrounds a call. `names` is called at its end."""
    begin = monotonic()
    outcome = "ok"
    try:
        yield
    except (Unauthenticated, PermissionDenied):
        outcome = ""
        raise
    except XappError as error:
        outcome = error.reason.lower()
        raise
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    except BaseException:
        outcome = "internal"
        raise
    finally:
        if outcome and principal.current.get().proved:
            _record(method, peer, names(), outcome, monotonic() - begin)


def _record(method: str, peer: str, names: Mapping[str, str], outcome: str, seconds: float) -> None:
    fields: dict[str, object] = {"event": "audit", "method": method, "peer": peer, "outcome": outcome}
    fields |= {key: value[:MAX_CHARS] for key, value in names.items() if value}
    fields["duration_s"] = round(seconds, 6)
    logs.event(_log, "audit", fields)
