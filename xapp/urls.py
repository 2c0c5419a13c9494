"""URLs in settings: checked at the start, so that a wrong one stops it and names its key."""

from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from xapp.errors import ConfigError


def checked_url(key: str, text: str, schemes: Sequence[str] = ("http", "https")) -> SplitResult:
    """Its parts, with a host. Raises ConfigError naming the setting's key.

    Settings are logged and reported, so a URL has no password.
    """
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  raises ValueError for what is no port
    except ValueError as error:
        raise ConfigError(key, f"is no URL: {error}") from error
    if parts.username is not None:
        raise ConfigError(key, "takes a URL without a name and a password")
    if parts.scheme not in schemes or not parts.hostname:
        raise ConfigError(key, f"{text!r} is no URL: write {schemes[0]}://HOST:PORT")
    return parts
