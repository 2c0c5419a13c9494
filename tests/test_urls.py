"""URLs in settings."""

import pytest

from xapp.errors import ConfigError
from xapp.urls import checked_url


@pytest.mark.parametrize("text", ["https://host", "https://host:8443/keys?p=1", "https://[::1]:8443/"])
def test_a_url_has_its_parts(text: str) -> None:
    assert checked_url("XAPP_K", text, ("https",)).geturl() == text


@pytest.mark.parametrize("text", ["", "host:80", "http://host", "https://", "https://host:x", "https://[::1"])
def test_what_is_no_url_names_its_key(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^XAPP_K: "):
        checked_url("XAPP_K", text, ("https",))


@pytest.mark.parametrize(
    "text", ["https://user:secret@host", "https://user:secret@", "ftp://user:secret@host"]
)
def test_a_password_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_url("XAPP_K", text)
    assert "secret" not in str(caught.value)


def test_a_bad_port_beside_a_password_does_not_show_it() -> None:
    with pytest.raises(ConfigError) as caught:
        checked_url("XAPP_K", "https://user:secret@host:x")
    assert "secret" not in str(caught.value)
