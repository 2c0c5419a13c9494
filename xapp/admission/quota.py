"""Quotas: what each client may use of the node, in requests a second, tokens a second, requests at once.

XAPP_QUOTAS is JSON, or the path of a TOML file. It has a table for each named client. The table "default"
holds for every other client, each of which has that quota to itself:

    {"default": {"concurrent": 8}, "cell-planner": {"requests_per_s": 2, "tokens_per_s": 200}}

Tokens are charged as they are used: a request comes in while there is credit, and may overdraw it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Annotated

import msgspec
from msgspec import Meta

from xapp.errors import ConfigError, Exhausted
from xapp.text_file import without_mark
from xapp.toml_file import read_toml

KEY = "XAPP_QUOTAS"
DEFAULT = "default"
MAX_CLIENTS = 1024
"""Clients that are remembered. Of those without an open request, the least recently seen is forgotten."""
_CONCURRENT_RETRY_S = 1.0
_MAX_RETRY_S = 3600.0

_Rate = Annotated[float, Meta(gt=0, le=1e9)]


class Quota(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits for one client; None is no limit. `burst_s` seconds of a rate may be used at once."""

    requests_per_s: _Rate | None = None
    tokens_per_s: _Rate | None = None
    concurrent: Annotated[int, Meta(ge=1)] | None = None
    burst_s: Annotated[float, Meta(gt=0, le=3600)] = 10.0


def parse_quotas(text: str) -> dict[str, Quota]:
    """Quotas by client from the setting. Raises ConfigError with the place of the fault."""
    text = without_mark(text)
    try:
        tables = msgspec.json.decode(text) if text.lstrip().startswith("{") else _read(text)
        return msgspec.convert(tables, dict[str, Quota])
    except msgspec.DecodeError as error:
        raise ConfigError(KEY, f"is not a JSON object of clients and their quotas: {error}") from error


def _read(path: str) -> object:
    return read_toml(KEY, Path(path)) if path.strip() else {}


class Bucket:
    """A token bucket. It fills at `rate` a second up to `capacity` and may be overdrawn."""

    def __init__(self, rate: float, capacity: float, now: float) -> None:
        self._rate = rate
        self._capacity = capacity
        self._level = capacity
        self._at = now

    def take(self, amount: float, now: float) -> None:
        """Removes an amount. A negative amount is given back."""
        self._fill(now)
        self._level = min(self._capacity, self._level - amount)

    def wait_s(self, now: float) -> float:
        """Seconds until one unit is available; 0: now."""
        self._fill(now)
        return max(0.0, (1.0 - self._level) / self._rate)

    def _fill(self, now: float) -> None:
        # A clock that went backwards neither fills nor empties the bucket.
        self._level = min(self._capacity, self._level + max(0.0, now - self._at) * self._rate)
        self._at = now


class Client:
    """The use of one client."""

    def __init__(self, name: str, quota: Quota, now: float) -> None:
        self._name = name
        self._quota = quota
        self.num_open = 0
        self._requests = _bucket(quota.requests_per_s, quota.burst_s, now)
        self._tokens = _bucket(quota.tokens_per_s, quota.burst_s, now)

    def check(self, now: float) -> None:
        """Raises Exhausted, reason QUOTA_EXCEEDED, unless one more request may come in."""
        quota = self._quota
        if quota.concurrent is not None and self.num_open >= quota.concurrent:
            raise self._exceeded(f"has {quota.concurrent} requests open, its quota", _CONCURRENT_RETRY_S)
        if self._requests is not None and (wait_s := self._requests.wait_s(now)) > 0:
            raise self._exceeded(f"may send {quota.requests_per_s:g} requests a second", wait_s)
        if self._tokens is not None and (wait_s := self._tokens.wait_s(now)) > 0:
            raise self._exceeded(f"may use {quota.tokens_per_s:g} tokens a second", wait_s)

    def count_request(self, now: float) -> None:
        """Counts an admitted request."""
        if self._requests is not None:
            self._requests.take(1, now)

    def forget_request(self, now: float) -> None:
        """Counts a request no longer that was not served."""
        if self._requests is not None:
            self._requests.take(-1, now)

    def charge(self, num_tokens: int, now: float) -> None:
        """Charges used tokens. A negative number returns tokens that were charged too much."""
        if self._tokens is not None:
            self._tokens.take(num_tokens, now)

    def _exceeded(self, what: str, wait_s: float) -> Exhausted:
        name = repr(self._name) if self._name else "without a name"
        return Exhausted(
            f"client {name} {what}",
            reason="QUOTA_EXCEEDED",
            metadata={"client": self._name},
            retry_after_s=min(wait_s, _MAX_RETRY_S),
        )


def _bucket(rate: float | None, burst_s: float, now: float) -> Bucket | None:
    return None if rate is None else Bucket(rate, max(1.0, rate * burst_s), now)


class Quotas:
    """The quotas of all clients.

    A client without a quota of its own has the default quota, if there is one.
    """

    def __init__(self, quotas: Mapping[str, Quota], clock: Callable[[], float] = monotonic) -> None:
        self._quotas = dict(quotas)
        self._default = self._quotas.pop(DEFAULT, Quota())
        self._clock = clock
        self._clients: OrderedDict[str, Client] = OrderedDict()

    @property
    def num_clients(self) -> int:
        """Number of remembered clients."""
        return len(self._clients)

    def check(self, name: str) -> None:
        """Raises Exhausted where `hold` would. Counts nothing."""
        self._client(name).check(self._clock())

    @contextmanager
    def hold(self, name: str) -> Iterator["Charge"]:
        """Counts one request of a client. Raises Exhausted, reason QUOTA_EXCEEDED."""
        client, now = self._client(name), self._clock()
        client.check(now)
        client.count_request(now)
        client.num_open += 1
        try:
            yield Charge(client, self._clock)
        finally:
            client.num_open -= 1

    def _client(self, name: str) -> Client:
        client = self._clients.get(name)
        if client is None:
            self._forget_one()
            quota = self._quotas.get(name, self._default)
            client = self._clients[name] = Client(name, quota, self._clock())
        self._clients.move_to_end(name)
        return client

    def _forget_one(self) -> None:
        if len(self._clients) < MAX_CLIENTS:
            return
        idle = next((name for name, client in self._clients.items() if not client.num_open), None)
        if idle is not None:
            del self._clients[idle]


class Charge:
    """The tokens of one request: first the expected number, in the end the actual number."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._charged = 0

    def set(self, num_tokens: int) -> None:
        """Sets the number of tokens that the request uses in all, as far as it is known now."""
        self._client.charge(num_tokens - self._charged, self._clock())
        self._charged = num_tokens

    def forget(self) -> None:
        """The request was not served: it does not count, and has no tokens."""
        self.set(0)
        self._client.forget_request(self._clock())


class Charges:
    """The charges of one request in several quotas."""

    def __init__(self, charges: Sequence[Charge]) -> None:
        self._charges = charges

    def set(self, num_tokens: int) -> None:
        """Sets the tokens of each charge."""
        for charge in self._charges:
            charge.set(num_tokens)

    def forget(self) -> None:
        """The request was not served."""
        for charge in self._charges:
            charge.forget()
