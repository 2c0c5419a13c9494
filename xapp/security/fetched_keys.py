"""An issuer's keys from an https URL. They are fetched beside the calls; no call waits for them.

A transfer is bounded in size and time. If the issuer cannot be reached, the last good keys stay for
MAX_STALE_S. After that, no token can be trusted.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import aiohttp

from xapp import logs
from xapp.errors import ConfigError
from xapp.security.jwks import JWKS_KEY, NO_KEYS, Keys, parse_keys

REFRESH_S = 300.0
TIMEOUT_S = 5.0
MAX_BYTES = 256 * 1024
MAX_STALE_S = 24 * 3600.0
FIRST_DELAY_S, MAX_DELAY_S = 1.0, 60.0
MIN_LOOK_S = 10.0
"""Shortest time between two fetches that tokens with unknown keys cause."""

_log = logging.getLogger(__name__)


class FetchedKeys:
    """Run `watch` in a task. There are no keys before the first answer."""

    def __init__(self, url: str, ca_file: str = "", clock: Callable[[], float] = monotonic) -> None:
        """Raises ConfigError with the key."""
        self._url = url
        self._ssl = _context(ca_file)
        self._clock = clock
        self._keys = NO_KEYS
        self._fetched_at = self._tried_at = float("-inf")
        self._delay_s = FIRST_DELAY_S
        self._wanted = asyncio.Event()

    @property
    def value(self) -> Keys:
        """The latest keys; none once they are too old."""
        return self._keys if self._clock() - self._fetched_at <= MAX_STALE_S else NO_KEYS

    def look_soon(self) -> None:
        """Fetches soon: a token with an unknown key came."""
        if self._clock() - self._tried_at >= MIN_LOOK_S:
            self._wanted.set()

    async def watch(self) -> None:
        """Keeps the keys up to date until cancelled."""
        while True:
            wait_s = REFRESH_S if await self.fetch() else self._back_off()
            self._wanted.clear()
            try:
                await asyncio.wait_for(self._wanted.wait(), wait_s)
            except TimeoutError:
                continue

    def _back_off(self) -> float:
        """Seconds until the next try, shortened by up to half at random, so that nodes do not come all at
        once.
        """
        delay_s, self._delay_s = self._delay_s, min(MAX_DELAY_S, 2 * self._delay_s)
        return delay_s * random.uniform(0.5, 1.0)  # noqa: S311  nothing secret

    async def fetch(self) -> bool:
        """One try. A failure is logged."""
        self._tried_at = self._clock()
        try:
            self._keys = parse_keys(await self._body(), self._url)
        except (ConfigError, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            fields: dict[str, object] = {"event": "jwks_not_fetched", "why": _why(error)}
            logs.event(_log, f"{self._url}: the last keys stay", fields, level=logging.ERROR)
            return False
        if self._delay_s > FIRST_DELAY_S or self._fetched_at == float("-inf"):
            logs.event(_log, f"{self._url}: {len(self._keys)} keys", {"event": "jwks_fetched"})
        self._fetched_at, self._delay_s = self._clock(), FIRST_DELAY_S
        return True

    async def _body(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        connector = aiohttp.TCPConnector(ssl=self._ssl, limit=1)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector, auto_decompress=False) as session,
            session.get(self._url, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as answer,
        ):
            if answer.status != 200:
                raise ConfigError(JWKS_KEY, f"the answer's status is {answer.status}")
            return await _read(answer.content)


async def _read(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for piece in content.iter_chunked(MAX_BYTES):
        body += piece
        if len(body) > MAX_BYTES:
            raise ConfigError(JWKS_KEY, f"the answer is larger than {MAX_BYTES} bytes")
    return bytes(body)


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("XAPP_JWKS_CA", f"cannot read {Path(ca_file)}: {error}") from error


def _why(error: Exception) -> str:
    return getattr(error, "message", "") or str(error) or type(error).__name__
