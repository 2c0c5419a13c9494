"""Bearer tokens that an issuer signs: JSON Web Tokens, checked against the issuer's keys."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time
from typing import Any, Protocol

import jwt

from xapp.errors import Unauthenticated
from xapp.security.jwks import Key, Keys
from xapp.security.principal import Principal
from xapp.security.refusals import NoIssuerKeys
from xapp.security.tokens import is_name

LEEWAY_S = 30
"""Tolerated difference between clocks."""
MAX_TOKEN_CHARS = 8192
MAX_GROUPS = 64
MAX_KNOWN = 1024
"""Limit of remembered tokens, which need no second check."""
_RETRY_AFTER_S = 2.0


class KeySource(Protocol):
    """The source of keys: a file or a URL."""

    @property
    def value(self) -> Keys:
        """The latest keys."""
        ...

    async def watch(self) -> None:
        """Keeps the keys up to date until cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims that a token must have: its issuer, its audience, and the names of the claims with name and
    groups.
    """

    issuer: str
    audience: str
    name: str = "sub"
    groups: str = "groups"


@dataclass(frozen=True, slots=True)
class _Known:
    """A token that was checked with these keys. `ends_at` is in seconds since 1970."""

    principal: Principal
    ends_at: float
    keys: Keys


class SignedTokens:
    """Checks tokens with the present keys. Never waits for an issuer.

    `on_unknown` is called for a token with an unknown key: the issuer may have a new key.
    """

    def __init__(
        self, keys: KeySource, claims: Claims, on_unknown: Callable[[], None] = lambda: None
    ) -> None:
        self.keys = keys
        self._claims = claims
        self._on_unknown = on_unknown
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def known(self, token: str) -> Principal | None:
        """The owner of a token that was checked before with the present keys and has not expired; None for
        others.
        """
        known = self._known.get(_digest(token))
        if known is None or known.keys is not self.keys.value or time() >= known.ends_at:
            return None
        return known.principal

    def principal(self, token: str) -> Principal:
        """The owner of a token. Raises Unauthenticated, reason BAD_TOKEN; Unavailable before the
        first keys.
        """
        if len(token) > MAX_TOKEN_CHARS:
            raise _bad(f"has more than {MAX_TOKEN_CHARS} characters")
        try:
            return self._remembered(token, self._verified(token))
        except jwt.ExpiredSignatureError:
            raise _bad("has expired") from None
        except jwt.ImmatureSignatureError:
            raise _bad("is not valid yet") from None
        except jwt.InvalidAudienceError:
            raise _bad("is for another audience") from None
        except jwt.InvalidIssuerError:
            raise _bad("is from another issuer") from None
        except jwt.MissingRequiredClaimError as error:
            raise _bad(f"lacks the claim {error.claim!r}") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            # The library's message may quote the token.
            raise _bad("is no token that the issuer signed") from None

    def _verified(self, token: str) -> Mapping[str, Any]:
        key = self._key(jwt.get_unverified_header(token))
        claims = self._claims
        return jwt.decode(
            token,
            key.public,
            algorithms=list(key.algorithms),
            issuer=claims.issuer,
            audience=claims.audience,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud", claims.name]},
        )

    def _key(self, header: Mapping[str, Any]) -> Key:
        keys = self.keys.value
        if not keys:
            raise NoIssuerKeys(_RETRY_AFTER_S)
        key_id = header.get("kid")
        key = keys.find(key_id if isinstance(key_id, str) else None)
        if key is None:
            self._on_unknown()
            raise _bad("is signed with a key that is not known")
        return key

    def _remembered(self, token: str, claims: Mapping[str, Any]) -> Principal:
        who = self._named(claims)
        self._known[_digest(token)] = _Known(who, float(claims["exp"]), self.keys.value)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return who

    def _named(self, claims: Mapping[str, Any]) -> Principal:
        name = claims.get(self._claims.name)
        if not isinstance(name, str) or not is_name(name):
            raise _bad(f"has no name in the claim {self._claims.name!r}")
        return Principal(name, proved=True, groups=_groups(claims.get(self._claims.groups)))


def _groups(value: object) -> tuple[str, ...]:
    """From a list of names, or a text of names separated by spaces. Invalid names are left out."""
    listed = value.split() if isinstance(value, str) else value
    if not isinstance(listed, list):
        return ()
    return tuple(each for each in listed[:MAX_GROUPS] if isinstance(each, str) and is_name(each))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def _bad(why: str) -> Unauthenticated:
    return Unauthenticated(f"the bearer token {why}", reason="BAD_TOKEN")
