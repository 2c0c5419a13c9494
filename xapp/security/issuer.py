"""The issuer of signed tokens, from the settings."""

from pathlib import Path
from typing import TYPE_CHECKING

from xapp.config import AccessSettings
from xapp.errors import ConfigError
from xapp.security.reload import Reloaded
from xapp.urls import checked_url

if TYPE_CHECKING:
    from xapp.security.signed_tokens import SignedTokens

_NEEDS_JWKS = ("jwt_issuer", "jwt_audience", "jwks_ca")


def signed_tokens(settings: AccessSettings) -> "SignedTokens | None":
    """None without an issuer. Raises ConfigError with the key."""
    if not settings.jwks:
        for name in _NEEDS_JWKS:
            if getattr(settings, name):
                raise ConfigError(f"XAPP_{name.upper()}", "needs XAPP_JWKS: the issuer's keys")
        return None
    for name in ("jwt_issuer", "jwt_audience"):
        if not getattr(settings, name):
            raise ConfigError(f"XAPP_{name.upper()}", "is not set, and XAPP_JWKS is: any token would do")
    # Imported here: a node without an issuer starts a tenth of a second sooner.
    from xapp.security.jwks import JWKS_KEY, read_keys  # noqa: PLC0415
    from xapp.security.signed_tokens import Claims, SignedTokens  # noqa: PLC0415

    claims = Claims(
        settings.jwt_issuer, settings.jwt_audience, settings.jwt_name_claim, settings.jwt_groups_claim
    )
    if "://" not in settings.jwks:
        path = Path(settings.jwks)
        return SignedTokens(Reloaded("jwks", [path], lambda: read_keys(path)), claims)
    if settings.jwks.startswith("http://"):
        raise ConfigError(JWKS_KEY, "has to be a file or an https URL: plain text proves nothing")
    checked_url(JWKS_KEY, settings.jwks, ("https",))
    from xapp.security.fetched_keys import FetchedKeys  # noqa: PLC0415

    keys = FetchedKeys(settings.jwks, settings.jwks_ca)
    return SignedTokens(keys, claims, on_unknown=keys.look_soon)
