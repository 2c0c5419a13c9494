"""Which tokens of an issuer are taken, and whose they are."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.flat_settings import flat_settings
from tests.security.issuers import AUDIENCE, ISSUER, PRIVATE, claims, key_set, public, raw, signed
from xapp.config import Settings
from xapp.domain.scope import of_group
from xapp.errors import ConfigError, Unauthenticated, Unavailable
from xapp.security.access import Access, Shown
from xapp.security.jwks import MAX_KEYS, NO_KEYS, Keys, parse_keys
from xapp.security.signed_tokens import MAX_TOKEN_CHARS, Claims, SignedTokens
from xapp.security.tokens import hash_of

HOUR = 3600.0


class Fixed:
    def __init__(self, value: Keys) -> None:
        self.value = value

    async def watch(self) -> None:
        """Nothing changes."""


def tokens(body: bytes | None = None) -> SignedTokens:
    return SignedTokens(Fixed(parse_keys(body or key_set(), "test")), Claims(ISSUER, AUDIENCE))


def refused(token: str, body: bytes | None = None) -> str:
    with pytest.raises(Unauthenticated) as caught:
        tokens(body).principal(token)
    assert caught.value.reason == "BAD_TOKEN"
    return caught.value.message


@pytest.mark.parametrize("name", PRIVATE)
def test_a_good_token(name: str) -> None:
    who = tokens().principal(signed(name))
    assert (who.name, who.proved, who.groups) == ("planner", True, ("ran",))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"aud": "another"}, "another audience"),
        ({"iss": "https://other.example"}, "another issuer"),
        ({"exp": time.time() - HOUR}, "expired"),
        ({"nbf": time.time() + HOUR}, "not valid yet"),
        ({"iat": time.time() + HOUR}, "not valid yet"),
        ({"exp": None}, "'exp'"),
        ({"aud": None}, "audience|'aud'"),
        ({"iss": None}, "'iss'"),
        ({"sub": None}, "'sub'"),
        ({"sub": ""}, "no name"),
        ({"sub": "x" * 129}, "no name"),
        ({"sub": "a\nb"}, "no name"),
        ({"exp": "soon"}, "no token"),
    ],
    # A name must not change from one collection of the tests to the next: two are of this moment.
    ids=[f"{number}" for number in range(13)],
)
def test_what_a_token_must_say(changes: dict[str, Any], says: str) -> None:
    message = refused(signed(**changes))
    assert any(part in message for part in says.split("|"))
    assert "planner" not in message


def pem(name: str) -> bytes:
    shown: bytes = PRIVATE[name].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return shown


def with_hmac(name: str, secret: bytes) -> str:
    """Signed with what everybody knows: the public key taken for a secret."""
    unsigned = raw({"alg": "HS256", "kid": name}, claims()).rstrip(".")
    digest = hmac.digest(secret, unsigned.encode(), hashlib.sha256)
    return f"{unsigned}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, "HS256"])
@pytest.mark.parametrize("kid", ["ec", "rsa", None])
def test_an_unsigned_token_is_none(algorithm: str | None, kid: str | None) -> None:
    refused(raw({"alg": algorithm, "kid": kid}, claims()))
    refused(raw({"alg": algorithm, "kid": kid}, claims()), key_set(public("ec")))


@pytest.mark.parametrize("name", ["rsa", "ec"])
def test_a_public_key_is_no_secret(name: str) -> None:
    for secret in (pem(name), pem(name).strip(), json.dumps(public(name)).encode()):
        refused(with_hmac(name, secret))


def test_a_secret_in_the_set_is_no_key() -> None:
    secret = {"kty": "oct", "kid": "oct", "k": base64.urlsafe_b64encode(b"s" * 32).decode(), "alg": "HS256"}
    refused(with_hmac("oct", b"s" * 32), key_set(secret, public("ec")))
    with pytest.raises(ConfigError, match="no public"):
        parse_keys(key_set(secret), "test")


def test_an_algorithm_that_the_key_is_not_for() -> None:
    refused(signed("rsa", algorithm="PS256"), key_set(public("rsa", alg="RS256")))
    assert tokens(key_set(public("rsa"))).principal(signed("rsa", algorithm="PS256")).name == "planner"


def test_an_unknown_key_is_asked_for_and_refused() -> None:
    asked = []
    found = SignedTokens(
        Fixed(parse_keys(key_set(), "test")), Claims(ISSUER, AUDIENCE), lambda: asked.append(1)
    )
    with pytest.raises(Unauthenticated, match="not known"):
        found.principal(signed("ec", kid="new"))
    assert asked == [1]


def test_another_key_of_the_same_set() -> None:
    refused(signed("ec", kid="rsa"))
    refused(signed("rsa", kid="ec"))


def test_before_there_are_keys_the_caller_may_come_again() -> None:
    with pytest.raises(Unavailable) as caught:
        SignedTokens(Fixed(NO_KEYS), Claims(ISSUER, AUDIENCE)).principal(signed())
    assert (caught.value.reason, caught.value.retry_after_s) == ("NO_ISSUER_KEYS", 2.0)


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "a.b.c", "é.é.é", "e30.e30.", "x" * MAX_TOKEN_CHARS * 2, raw([], {}), raw({}, [])],
    ids=repr,
)
def test_rubbish(token: str) -> None:
    refused(token)


@pytest.mark.parametrize("part", ["[" * 4000, "{" * 4000, '{"alg":' * 500])
def test_what_nests_too_deep(part: str) -> None:
    text = base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode()
    refused(f"{text}.{text}.")


@pytest.mark.parametrize("change", range(3))
def test_a_byte_more_or_less(change: int) -> None:
    parts = signed().split(".")
    for replaced in (parts[change][:-2], parts[change] + "AA", parts[change][::-1]):
        refused(".".join([*parts[:change], replaced, *parts[change + 1 :]]))


def test_a_header_that_must_be_understood() -> None:
    header, body, signature = signed().split(".")
    read = json.loads(base64.urlsafe_b64decode(header + "=="))
    odd = raw({**read, "crit": ["b64"], "b64": False}, {}).split(".")[0]
    refused(f"{odd}.{body}.{signature}")


@pytest.mark.parametrize(
    ("value", "found"),
    [("ran core", ("ran", "core")), (["ran", 7, "a\nb"], ("ran",)), (7, ()), (None, ()), ({"a": 1}, ())],
    ids=str,
)
def test_groups(value: object, found: tuple[str, ...]) -> None:
    assert tokens().principal(signed(groups=value)).groups == found


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1, null, "x", {}]}',
        b'{"keys": [{"kty": "RSA"}]}',
        b'{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}',
        b'{"keys": [{"kty": "EC", "crv": [], "x": 1}]}',
        b"[" * 100_000,
        b"\xff\xfe",
        json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode(),
        key_set(public("ec", use="enc")),
        key_set(public("ec", alg="HS256")),
        key_set(public("ec", d="AQAB")),
    ],
    ids=lambda body: body[:40].decode(errors="replace"),
)
def test_what_is_no_key_set_names_where_it_is(body: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_keys(body, "keys.json")
    assert caught.value.key == "XAPP_JWKS"
    assert "keys.json" in caught.value.message


def settings(folder: Path, **fields: Any) -> Settings:
    (folder / "keys.json").write_bytes(key_set())
    named = {"jwks": str(folder / "keys.json"), "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    return flat_settings(**{**named, **fields})


def test_a_node_takes_both_kinds_of_tokens(tmp_path: Path) -> None:
    (tmp_path / "tokens.toml").write_text(f'operator = ["{hash_of("plain")}"]')
    (tmp_path / "policy.toml").write_text('["group:ran"]\nshares = "ran"\n[operator]\nadmin = true')
    files = {"tokens_file": str(tmp_path / "tokens.toml"), "policy_file": str(tmp_path / "policy.toml")}
    access = Access(settings(tmp_path, **files))
    assert access.required
    assert access.identify(Shown(authorization=["Bearer plain"])).name == "operator"
    who = access.identify(Shown(authorization=[f"Bearer {signed()}"]))
    assert (who.name, who.scope) == ("planner", of_group("ran"))
    with pytest.raises(Unauthenticated):
        access.identify(Shown(authorization=["Bearer wrong"]))
    assert len(access.watched) == 3


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"jwt_issuer": ""}, "XAPP_JWT_ISSUER"),
        ({"jwt_audience": ""}, "XAPP_JWT_AUDIENCE"),
        ({"jwks": ""}, "XAPP_JWT_ISSUER"),
        ({"jwks": "http://issuer.example/keys"}, "XAPP_JWKS"),
        ({"jwks": "https://"}, "XAPP_JWKS"),
        ({"jwks": "https://issuer.example:x/keys"}, "XAPP_JWKS"),
        ({"jwks": "https://user:secret@issuer.example/keys"}, "XAPP_JWKS"),
        ({"jwks": "/no/such/file"}, "XAPP_JWKS"),
        ({"jwks": "https://issuer.example/keys", "jwks_ca": "/no/such/file"}, "XAPP_JWKS_CA"),
    ],
    ids=str,
)
def test_settings_that_do_not_go_together(tmp_path: Path, fields: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Access(settings(tmp_path, **fields))
    assert caught.value.key == key
