"""Which addresses a node may listen on without credentials."""

import logging
from typing import Any

import pytest

from tests.flat_settings import flat_settings
from xapp.config import Settings
from xapp.errors import ConfigError
from xapp.security.exposure import check_exposure

BEYOND = ["0.0.0.0", "::", "192.0.2.7", "a-name"]


def test_the_default_is_this_machine_alone() -> None:
    check_exposure(Settings())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_credentials(host: str) -> None:
    check_exposure(flat_settings(host=host))


@pytest.mark.parametrize("host", BEYOND)
def test_beyond_loopback_the_start_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="XAPP_INSECURE=true") as caught:
        check_exposure(flat_settings(host=host))
    assert caught.value.key == "XAPP_HOST"


@pytest.mark.parametrize("key", ["tokens_file", "jwks", "tls_client_ca"])
@pytest.mark.parametrize("host", BEYOND)
def test_credentials_open_every_address(host: str, key: str) -> None:
    fields: dict[str, Any] = {key: "file"}
    check_exposure(flat_settings(host=host, **fields))


@pytest.mark.parametrize("host", BEYOND)
def test_what_the_operator_permits_is_logged(host: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_exposure(flat_settings(host=host, insecure=True))
    assert f"other machines can reach {host}" in caplog.text
