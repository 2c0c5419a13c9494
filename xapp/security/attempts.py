"""Bounds wrong tokens by their origin. A peer with many wrong tokens must wait, and its signatures are not
checked.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from xapp.errors import Exhausted

BURST = 20
PER_S = 1.0
MAX_PEERS = 4096
"""Limit of remembered peers. The peer with the oldest wrong token is forgotten first."""


class TooManyAttempts(Exhausted):
    """The peer sends wrong tokens faster than it may."""


class Attempts:
    """A peer may show BURST wrong tokens at once, and PER_S a second. `clock` is monotonic.

    A peer may be a proxy with many callers. So a caller with a known token still gets in.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        # The attempts left, and the time of that count.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def check(self, peer: str) -> None:
        """Raises TooManyAttempts when no wrong token is allowed now. `peer` is an address."""
        if self._left and (left := self._now_left(_network(peer))) < 1:
            text = "too many wrong tokens came from your address"
            raise TooManyAttempts(text, reason="TOO_MANY_ATTEMPTS", retry_after_s=(1 - left) / PER_S)

    def failed(self, peer: str) -> None:
        """Counts a wrong token. Raises TooManyAttempts as `check` does."""
        self.check(peer)
        network = _network(peer)
        self._left[network] = (self._now_left(network) - 1, self._clock())
        self._left.move_to_end(network)
        if len(self._left) > MAX_PEERS:
            self._left.popitem(last=False)

    def _now_left(self, network: str) -> float:
        left, since = self._left.get(network, (float(BURST), self._clock()))
        return min(float(BURST), left + (self._clock() - since) * PER_S)


def _network(peer: str) -> str:
    """The address, or the /64 of an IPv6 address: one caller has the whole of it."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer[:64]
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))
