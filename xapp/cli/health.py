"""`genai-xapp health`: whether the node of this machine is ready, for a container's health check."""

import http.client
import os
import ssl
import sys

import click

from xapp.cli.say import say
from xapp.config import Settings, load_settings
from xapp.hosts import bare

_TIMEOUT_S = 4.0
_EVERY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  nothing listens here


@click.command()
def health() -> None:
    """Ask the node that has the settings of this environment whether its default model is loaded.

    Exit code 0: ready; 1: not ready, or no answer. The certificate of the node is not checked.
    """
    try:
        status, text = _ask(load_settings(os.environ, {}))
    except (OSError, http.client.HTTPException) as error:
        status, text = 0, f"no answer: {error}"
    say(text, err=status != http.client.OK)
    sys.exit(status != http.client.OK)


def _ask(settings: Settings) -> tuple[int, str]:
    connection = _connection(settings)
    try:
        connection.request("GET", "/ric/v1/health/ready")
        answer = connection.getresponse()
        return answer.status, answer.read(4096).decode(errors="replace").strip()
    finally:
        connection.close()


def _connection(settings: Settings) -> http.client.HTTPConnection:
    host = bare(settings.server.host)
    address = _EVERY_ADDRESS.get(host, host), settings.server.http_port
    if not (settings.tls.cert and settings.tls.http):
        return http.client.HTTPConnection(*address, timeout=_TIMEOUT_S)
    # It asks its own machine, by an address that no certificate names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(*address, timeout=_TIMEOUT_S, context=context)
