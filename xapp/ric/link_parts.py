"""The parts of RicLink, from the settings. A part is None without its setting."""

import socket
from collections.abc import Callable
from pathlib import Path

from xapp.config import Settings
from xapp.errors import ConfigError
from xapp.ric import alarms, policy_files, policy_polling, registration
from xapp.ric.alarms import AlarmManager, Alarms
from xapp.ric.outbox import Outbox
from xapp.ric.platform import Platform, base_url
from xapp.ric.policies import PolicyStatus
from xapp.ric.policy_files import PolicyFiles
from xapp.ric.policy_polling import PolicyPolling
from xapp.ric.policy_source import MAX_POLICIES, PolicySource
from xapp.ric.registration import Registrant, Registration
from xapp.security.access import METRICS
from xapp.version import installed_version

STATUS_KEY = "XAPP_RIC_STATUS_URL"
_HTTP_PORT = 8080


def policy_source(settings: Settings, platform: Platform) -> PolicySource | None:
    """The source of policies: files or A1. Raises ConfigError with the key."""
    if settings.ric.policies and settings.ric.a1_url:
        raise ConfigError(policy_polling.URL_KEY, f"policies come from {policy_files.KEY} already")
    if settings.ric.policies:
        return PolicyFiles(Path(settings.ric.policies).expanduser(), settings.ric.policy_type)
    if settings.ric.a1_url:
        url = base_url(policy_polling.URL_KEY, settings.ric.a1_url)
        return PolicyPolling(platform, url, settings.ric.policy_type, settings.ric.a1_poll_s)
    return None


def status_outbox(
    settings: Settings, platform: Platform, body: Callable[[PolicyStatus], dict[str, object]]
) -> Outbox[PolicyStatus] | None:
    """The outbox of policies' statuses. `body` makes the message of a status. Raises ConfigError with the
    key.
    """
    if not settings.ric.status_url:
        return None
    url = base_url(STATUS_KEY, settings.ric.status_url)

    async def send(key: str, status: PolicyStatus) -> None:
        (await platform.ask("POST", url, body(status))).expect(200, 201, 202, 204)

    # As many again, for policies that were just deleted.
    return Outbox("status receiver", send, most=2 * MAX_POLICIES, is_last=lambda status: status.deleted)


def alarms_of(settings: Settings, platform: Platform, name: str, node: str) -> Alarms | None:
    """Alarms raised by `name`, about `node`. Raises ConfigError with the key."""
    if not settings.ric.alarms_url:
        return None
    url = base_url(alarms.URL_KEY, settings.ric.alarms_url)
    return Alarms(AlarmManager(platform, url, name, node))


def registration_of(settings: Settings, platform: Platform, name: str) -> Registration | None:
    """The registration of the xApp `name`. Raises ConfigError with the key."""
    if not settings.ric.appmgr_url:
        return None
    url = base_url(registration.URL_KEY, settings.ric.appmgr_url)
    if not settings.ric.rmr_endpoint:
        message = f"is needed with {registration.URL_KEY}: the routing manager dials it and waits"
        raise ConfigError(registration.RMR_KEY, message)
    _check_open(settings)
    http = settings.ric.http_endpoint or f"service-ricxapp-{name}-http.ricxapp:{_HTTP_PORT}"
    rmr = settings.ric.rmr_endpoint
    who = Registrant(name, socket.gethostname(), installed_version(), http, rmr)
    return Registration(platform, url, who)


def _check_open(settings: Settings) -> None:
    """Raises ConfigError where the application manager could not fetch the configuration."""
    if settings.tls.cert and settings.tls.http:
        message = "it fetches the configuration over plain HTTP: XAPP_HTTP_TLS=false is needed"
        raise ConfigError(registration.URL_KEY, message)
    opened = {name.strip() for name in settings.access.open.split(",")}
    if settings.has_credentials and METRICS not in opened:
        message = "it fetches the configuration without credentials: XAPP_OPEN needs `metrics`"
        raise ConfigError(registration.URL_KEY, message)
