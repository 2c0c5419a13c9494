"""Registers this xApp with the application manager once it is ready, and deregisters it at the end.

The application manager fetches the configuration at once. Then the routing manager dials the RMR port and
waits for it. So nothing is registered before the sidecar's RMR port listens.
"""

import asyncio
import logging
from dataclasses import dataclass

from xapp import failpoints, logs
from xapp.ric.backoff import Backoff
from xapp.ric.platform import Platform, PlatformError, checked_endpoint

URL_KEY, RMR_KEY, HTTP_KEY = "XAPP_RIC_APPMGR_URL", "XAPP_RIC_RMR_ENDPOINT", "XAPP_RIC_HTTP_ENDPOINT"
_REGISTER, _DEREGISTER = "/ric/v1/register", "/ric/v1/deregister"
_CONFIG = "/ric/v1/config"
_REGISTERED, _DEREGISTERED, _NEVER_REGISTERED = 201, 204, 404
_DIAL_S = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Registrant:
    """The xApp that registers. `host` is the pod's host name. Endpoints are HOST:PORT as others
    reach them.
    """

    name: str
    host: str
    version: str
    http_endpoint: str
    rmr_endpoint: str

    def body(self) -> dict[str, str]:
        """The body for the application manager."""
        return {
            "appName": self.host,
            "appInstanceName": self.name,
            "appVersion": self.version,
            "configPath": _CONFIG,
            "httpEndpoint": self.http_endpoint,
            "rmrEndpoint": self.rmr_endpoint,
        }


class Registration:
    """`run` tries until the xApp is registered. Call `leave` at the end, however `run` ended."""

    def __init__(
        self, platform: Platform, url: str, registrant: Registrant, backoff: Backoff | None = None
    ) -> None:
        """Raises ConfigError for endpoints at which the application manager would panic."""
        checked_endpoint(HTTP_KEY, registrant.http_endpoint)
        self._rmr = checked_endpoint(RMR_KEY, registrant.rmr_endpoint)
        self._platform = platform
        self._url = url
        self._registrant = registrant
        self._backoff = backoff or Backoff()
        self._was_sent = False
        self.registered = False

    async def run(self) -> None:
        """Tries until the xApp is registered, and returns."""
        is_first = True
        while not self.registered:
            try:
                await self._register()
            except PlatformError as error:
                if is_first:
                    self._say(f"not registered, tried again and again: {error}", logging.WARNING)
                is_first = False
                await asyncio.sleep(self._backoff.next_s())
        self._say("registered", logging.INFO)

    async def _register(self) -> None:
        await failpoints.reach("registration", lambda: PlatformError("failpoint registration"))
        await self._check_rmr()
        # From here on the other end may have the registration, whatever it answers.
        self._was_sent = True
        reply = await self._platform.ask("POST", self._url + _REGISTER, self._registrant.body())
        reply.expect(_REGISTERED)
        self.registered = True

    async def _check_rmr(self) -> None:
        host, port = self._rmr
        try:
            async with asyncio.timeout(_DIAL_S):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError) as error:
            raise PlatformError(f"nobody listens at the RMR endpoint {host}:{port}") from error
        writer.close()

    async def leave(self) -> None:
        """Deregisters if the xApp may be registered. One try: the process is about to end."""
        if not self._was_sent:
            return
        names = {"appName": self._registrant.host, "appInstanceName": self._registrant.name}
        try:
            reply = await self._platform.ask("POST", self._url + _DEREGISTER, names)
            reply.expect(_DEREGISTERED, _NEVER_REGISTERED)
        except PlatformError as error:
            self._say(f"not deregistered: {error}", logging.WARNING)
        else:
            self.registered = self._was_sent = False
            self._say("deregistered", logging.INFO)

    def _say(self, what: str, level: int) -> None:
        fields: dict[str, object] = {"event": "registration", "registered": self.registered}
        logs.event(_log, f"application manager: {what}", fields, level=level)
