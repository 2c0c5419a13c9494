"""Checks that other machines reach the node with credentials only, unless the operator permits more."""

import logging

from xapp import logs
from xapp.config import Settings
from xapp.errors import ConfigError
from xapp.hosts import is_loopback

_log = logging.getLogger(__name__)


def check_exposure(settings: Settings) -> None:
    """Raises ConfigError where other machines can call and callers need no credentials.

    With XAPP_INSECURE=true it logs a warning instead.
    """
    host = settings.server.host
    if is_loopback(host) or settings.has_credentials:
        return
    text = f"other machines can reach {host}, and callers need no credentials"
    if not settings.access.insecure:
        raise ConfigError(
            "XAPP_HOST",
            f"{text}: set XAPP_TOKENS_FILE, XAPP_JWKS or XAPP_TLS_CLIENT_CA; XAPP_INSECURE=true permits it",
        )
    logs.event(_log, text, {"event": "insecure", "host": host}, level=logging.WARNING)
