"""Who gets in: every port brings what a caller showed, and ask here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from xapp.config import Settings
from xapp.errors import ConfigError, Unauthenticated
from xapp.security.attempts import Attempts
from xapp.security.issuer import signed_tokens
from xapp.security.open_calls import OpenCalls
from xapp.security.policy import ANYTHING_GOES, DEFAULT, POLICY_KEY, Policy, Rule, read_policy
from xapp.security.principal import Principal
from xapp.security.reload import Reloaded
from xapp.security.tokens import MAX_NAME_CHARS, Tokens, read_tokens

OPEN_KEY = "XAPP_OPEN"
HEALTH, LOAD, METRICS, REFLECTION = "health", "load", "metrics", "reflection"
OPENABLE = (HEALTH, LOAD, METRICS, REFLECTION)
CLOSED_KEY = "XAPP_CLOSED"
MODELS, SYMPTOMS = "models", "symptoms"
CLOSABLE = (REFLECTION, MODELS, SYMPTOMS)
NOTHING = "none"
_SCHEME = "bearer"


@dataclass(frozen=True, slots=True)
class Shown:
    """The credentials of a call.

    `certificate`: the name in a verified certificate, None without a certificate. `authorization`: the values
    of that header. `claim`: the name that the caller gives itself. `peer`: the address of the caller.
    """

    certificate: str | None = None
    authorization: Sequence[str] = ()
    claim: str = ""
    peer: str = ""


_NO_ADMINISTRATORS = Policy({DEFAULT: Rule()})


class Watched(Protocol):
    """A source that is read again from time to time."""

    async def watch(self) -> None:
        """Reads it again until cancelled."""
        ...


class Access:
    """`required`: whether callers must prove their identity. Without that, the name that a caller claims
    counts.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError with the key."""
        self._methods: frozenset[str] | None = None
        self._tokens = _reloaded_tokens(settings.access.tokens_file)
        self._signed = signed_tokens(settings.access)
        self.attempts = Attempts()
        self.open_calls = OpenCalls(settings.access.max_calls)
        self.required = settings.has_credentials
        self._policy = self._reloaded_policy(settings.access.policy_file)
        self._open = _parse(OPEN_KEY, settings.access.open, OPENABLE)
        self._closed = _parse(CLOSED_KEY, settings.access.closed, CLOSABLE)

    @property
    def watched(self) -> list[Watched]:
        """The sources that change with a file or at a URL."""
        keys = self._signed.keys if self._signed else None
        return [each for each in (self._tokens, self._policy, keys) if each is not None]

    @property
    def takes_tokens(self) -> bool:
        """Whether tokens are credentials here."""
        return self._tokens is not None or self._signed is not None

    @property
    def policy(self) -> Policy:
        """The present policy."""
        if self._policy:
            return self._policy.value
        return _NO_ADMINISTRATORS if self.required else ANYTHING_GOES

    def is_open(self, what: str) -> bool:
        """Whether callers without credentials may ask for `what`, one of OPENABLE."""
        return not self.required or what in self._open

    def is_closed(self, what: str) -> bool:
        """Whether even administrators may not ask for `what`, one of CLOSABLE."""
        return what in self._closed

    def identify(self, shown: Shown) -> Principal:
        """The Principal of a caller.

        Raises Unauthenticated, reason NO_CREDENTIALS, BAD_TOKEN or BAD_CERTIFICATE_NAME. Raises
        TooManyAttempts when many wrong tokens came from the peer, and Unavailable before the first keys of
        the tokens' issuer. A token counts before a certificate: a proxy has a certificate, and its callers
        have tokens.
        """
        who = self._proved(shown)
        if who is None:
            return Principal(shown.claim)
        return replace(who, scope=self.policy.scope(who))

    def _proved(self, shown: Shown) -> Principal | None:
        """None where callers need no credentials."""
        if self.takes_tokens and shown.authorization:
            return self._owner(_token(shown.authorization), shown.peer)
        if shown.certificate is not None:
            return Principal(_checked(shown.certificate), proved=True)
        if self.required:
            raise Unauthenticated(f"{self._wanted()} is needed")
        return None

    def _owner(self, token: str, peer: str) -> Principal:
        name = self._tokens.value.find(token) if self._tokens is not None else None
        if name is not None:
            return Principal(name, proved=True)
        known = self._signed.known(token) if self._signed is not None else None
        if known is not None:
            return known
        self.attempts.check(peer)
        try:
            return self._checked_owner(token)
        except Unauthenticated:
            self.attempts.failed(peer)
            raise

    def _checked_owner(self, token: str) -> Principal:
        if self._signed is None:
            raise Unauthenticated("nobody has this bearer token", reason="BAD_TOKEN")
        return self._signed.principal(token)

    def _wanted(self) -> str:
        if self.takes_tokens:
            return "a bearer token in `authorization`"
        return "a client certificate"

    def know_methods(self, methods: Collection[str]) -> None:
        """Sets the methods that a policy may name. Raises ConfigError when the present policy names another
        method. Later policies are checked as well.
        """
        self._methods = frozenset(methods)
        self.policy.check_names(self._methods)

    def _reloaded_policy(self, path: str) -> Reloaded[Policy] | None:
        if not path:
            return None
        if not self.required:
            message = "needs XAPP_TOKENS_FILE, XAPP_JWKS or XAPP_TLS_CLIENT_CA: nobody proves who calls"
            raise ConfigError(POLICY_KEY, message)
        return Reloaded("policy", [Path(path)], lambda: self._read_policy(Path(path)))

    def _read_policy(self, path: Path) -> Policy:
        policy = read_policy(path)
        if self._methods is not None:
            policy.check_names(self._methods)
        return policy


def _reloaded_tokens(path: str) -> Reloaded[Tokens] | None:
    return Reloaded("tokens", [Path(path)], lambda: read_tokens(Path(path))) if path else None


def _parse(key: str, text: str, known: Collection[str]) -> frozenset[str]:
    names = frozenset(filter(None, (name.strip() for name in text.split(",")))) - {NOTHING}
    for name in sorted(names - set(known)):
        raise ConfigError(key, f"{name!r} is not one of {', '.join(known)}, {NOTHING}")
    return names


def _token(authorization: Sequence[str]) -> str:
    scheme, _, token = authorization[0].partition(" ")
    if len(authorization) > 1 or scheme.lower() != _SCHEME:
        raise Unauthenticated("`authorization` has to be one bearer token", reason="BAD_TOKEN")
    return token.strip()


def _checked(name: str) -> str:
    """The name is neither cut nor cleaned: two certificates must not become one name."""
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        message = f"the certificate has no name of 1 to {MAX_NAME_CHARS} printable characters"
        raise Unauthenticated(message, reason="BAD_CERTIFICATE_NAME")
    return name
