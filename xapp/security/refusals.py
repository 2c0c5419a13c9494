"""Refused callers: a log record for each call, bounded under a flood."""

import logging
from collections.abc import Callable
from time import monotonic

from xapp import logs
from xapp.errors import PermissionDenied, Unauthenticated, Unavailable, XappError
from xapp.security import principal
from xapp.security.attempts import TooManyAttempts

MOST_A_SECOND = 10
"""Limit of records a second. A caller that tries a million wrong tokens must not fill the log."""


class NoIssuerKeys(Unavailable):
    """No caller can be identified yet: the keys of the tokens' issuer are unread."""

    def __init__(self, retry_after_s: float) -> None:
        text = "the keys of the tokens' issuer could not be read yet"
        super().__init__(text, reason="NO_ISSUER_KEYS", retry_after_s=retry_after_s)


NOT_LET_IN = (Unauthenticated, PermissionDenied, TooManyAttempts, NoIssuerKeys)
"""The errors of calls whose callers may not make them, or are not identified."""

_log = logging.getLogger("xapp.security")


class Refusals:
    """Counts the refusals that it does not log. The next record has the count."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since = float("-inf")
        self._num_logged = 0
        self._num_left_out = 0

    def log(self, method: str, peer: str, error: XappError) -> None:
        """Logs the method, the peer and the reason of a refusal."""
        if self._clock() - self._since >= 1.0:
            self._since, self._num_logged = self._clock(), 0
        if self._num_logged >= MOST_A_SECOND:
            self._num_left_out += 1
            return
        self._num_logged += 1
        fields: dict[str, object] = {"event": "refused", "method": method, "peer": peer}
        fields |= {"principal": principal.current.get().name, "code": error.code, "reason": error.reason}
        fields["num_left_out"], self._num_left_out = self._num_left_out, 0
        logs.event(_log, f"refused: {error.message}", fields, level=logging.WARNING)
