"""A million wrong tokens: told to wait, never forgotten in too many places, and no harm to others."""

from pathlib import Path

import jwt
import pytest

from tests.engine.harness import Clock
from tests.flat_settings import flat_settings
from tests.security.issuers import AUDIENCE, ISSUER, key_set, signed
from tests.security.test_access import TOKEN, tokens_file
from tests.security.test_signed_tokens import Fixed, tokens
from xapp.errors import Unauthenticated
from xapp.security import signed_tokens
from xapp.security.access import Access, Shown
from xapp.security.attempts import BURST, MAX_PEERS, Attempts, TooManyAttempts
from xapp.security.jwks import parse_keys


def num_taken(attempts: Attempts, peer: str, most: int = 1000) -> int:
    for number in range(most):
        try:
            attempts.failed(peer)
        except TooManyAttempts:
            return number
    return most


def test_a_few_at_once_and_then_one_a_second() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    assert num_taken(attempts, "10.0.0.7") == BURST
    with pytest.raises(TooManyAttempts) as caught:
        attempts.check("10.0.0.7")
    assert caught.value.retry_after_s == 1.0
    clock.now += 1.0
    assert num_taken(attempts, "10.0.0.7") == 1
    clock.now += 1e6
    assert num_taken(attempts, "10.0.0.7") == BURST


def test_a_peer_is_an_address_or_a_network_of_ipv6() -> None:
    attempts = Attempts(Clock())
    num_taken(attempts, "10.0.0.7")
    assert num_taken(attempts, "10.0.0.8") == BURST
    assert num_taken(attempts, "2001:db8::1") == BURST
    assert num_taken(attempts, "2001:db8::2") == 0
    assert num_taken(attempts, "2001:db8:0:1::2") == BURST
    assert num_taken(attempts, "unix") == BURST


def test_what_is_remembered_is_bounded() -> None:
    attempts = Attempts(Clock())
    for number in range(3 * MAX_PEERS):
        attempts.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(attempts) == MAX_PEERS


def refused(access: Access, token: str, peer: str = "10.0.0.7") -> str:
    with pytest.raises((Unauthenticated, TooManyAttempts)) as caught:
        access.identify(Shown(authorization=[f"Bearer {token}"], peer=peer))
    return caught.value.reason


def test_a_good_token_gets_in_from_where_wrong_ones_come(tmp_path: Path) -> None:
    access = Access(flat_settings(tokens_file=tokens_file(tmp_path, planner=TOKEN)))
    reasons = [refused(access, f"wrong {number}") for number in range(3 * BURST)]
    assert set(reasons[:BURST]) == {"BAD_TOKEN"}
    assert reasons[-1] == "TOO_MANY_ATTEMPTS"
    shown = Shown(authorization=[f"Bearer {TOKEN}"], peer="10.0.0.7")
    assert access.identify(shown).name == "planner"
    assert refused(access, "wrong", peer="10.0.0.8") == "BAD_TOKEN"


def test_no_signature_is_checked_for_who_shows_many_wrong_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys.json").write_bytes(key_set())
    access = Access(flat_settings(jwks=str(tmp_path / "keys.json"), jwt_issuer=ISSUER, jwt_audience=AUDIENCE))
    good, other = signed(), signed(sub="watcher")
    shown = Shown(authorization=[f"Bearer {good}"], peer="10.0.0.7")
    assert access.identify(shown).name == "planner"
    for _ in range(BURST + 1):
        refused(access, signed(aud="another"))
    checked: list[str] = []
    monkeypatch.setattr(jwt, "decode", lambda token, *_, **__: checked.append(token))
    assert refused(access, other) == "TOO_MANY_ATTEMPTS"
    assert access.identify(shown).name == "planner", "it was checked before"
    assert not checked


def test_a_token_that_was_checked_ends_with_its_time_and_its_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, token = tokens(), signed()
    assert found.known(token) is None
    assert found.known(token) is None
    assert found.principal(token) == found.known(token)
    monkeypatch.setattr(signed_tokens, "time", lambda: 1e12)
    assert found.known(token) is None
    monkeypatch.undo()
    assert found.known(token) is not None
    assert isinstance(found.keys, Fixed)
    found.keys.value = parse_keys(key_set(), "new")
    assert found.known(token) is None


def test_checked_tokens_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed_tokens, "MAX_KNOWN", 3)
    found = tokens()
    for number in range(9):
        found.principal(signed(sub=f"caller-{number}"))
    assert len(found._known) == 3
