"""Certificates are tried when they are read; what cannot be used names its setting."""

import logging
import ssl
import time
from pathlib import Path

import pytest

from tests.certificates import Authority, Pair, openssl
from xapp.errors import ConfigError
from xapp.security.reload import Reloaded
from xapp.security.tls import TlsFiles, read_certificates, server_context, tls_files


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.sign("node")


def refused(files: TlsFiles) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_certificates(files)
    return caught.value


def test_nothing_set_is_plain_text() -> None:
    assert tls_files("", "", "") is None


@pytest.mark.parametrize(
    ("cert", "key", "client_ca", "named"),
    [("a", "", "", "XAPP_TLS_KEY"), ("", "a", "", "XAPP_TLS_CERT"), ("", "", "a", "XAPP_TLS_CLIENT_CA")],
)
def test_half_of_it_is_refused(cert: str, key: str, client_ca: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tls_files(cert, key, client_ca)
    assert caught.value.key == named


def test_a_pair_is_read(authority: Authority, pair: Pair) -> None:
    read = read_certificates(TlsFiles(pair.cert, pair.key, authority.cert))
    assert (read.cert, read.key) == (pair.cert.read_bytes(), pair.key.read_bytes())
    assert read.client_ca == authority.cert.read_bytes()
    assert read.not_after is not None
    assert 29 < (read.not_after - time.time()) / 86400 < 31
    assert read.fault == ""


def test_the_key_is_not_shown(pair: Pair) -> None:
    assert "PRIVATE" not in repr(read_certificates(TlsFiles(pair.cert, pair.key)))


def test_a_key_that_does_not_fit(authority: Authority, pair: Pair) -> None:
    other = authority.sign("other")
    error = refused(TlsFiles(pair.cert, other.key))
    assert error.key == "XAPP_TLS_CERT"
    assert str(other.key) in error.message


@pytest.mark.parametrize("part", ["cert", "key"])
def test_half_written(pair: Pair, tmp_path: Path, part: str) -> None:
    half = tmp_path / "half.pem"
    whole = getattr(pair, part).read_bytes()
    half.write_bytes(whole[: len(whole) // 2])
    files = TlsFiles(half, pair.key) if part == "cert" else TlsFiles(pair.cert, half)
    assert str(half) in refused(files).message


def test_a_key_with_a_password_asks_nobody(pair: Pair, tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"
    openssl("ec", "-in", pair.key, "-aes256", "-passout", "pass:secret", "-out", locked)
    error = refused(TlsFiles(pair.cert, locked))
    assert error.key == "XAPP_TLS_KEY"
    assert "password" in error.message


@pytest.mark.parametrize("body", [b"", b"no certificate", b"\xff\xfe"])
def test_authorities_that_are_none(pair: Pair, tmp_path: Path, body: bytes) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(body)
    assert refused(TlsFiles(pair.cert, pair.key, file)).key == "XAPP_TLS_CLIENT_CA"


def test_a_file_that_is_not_there(pair: Pair, tmp_path: Path) -> None:
    assert refused(TlsFiles(tmp_path / "none", pair.key)).key == "XAPP_TLS_CERT"
    assert refused(TlsFiles(pair.cert, tmp_path / "none")).key == "XAPP_TLS_KEY"


def test_an_expired_certificate_is_said_and_taken(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """A node whose clock is wrong at its start serves all the same."""
    old = authority.sign("old", days=-1)
    with caplog.at_level(logging.ERROR):
        read = read_certificates(TlsFiles(old.cert, old.key))
    assert "expired" in read.fault
    assert read.not_after is not None
    assert read.not_after < time.time()
    assert any(str(old.cert) in record.getMessage() for record in caplog.records)


def test_a_certificate_that_is_not_valid_yet_is_said_and_taken(
    authority: Authority, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of a board without a battery begins in the past."""
    monkeypatch.setattr("xapp.security.tls.time.time", lambda: 0.0)
    read = read_certificates(TlsFiles(pair.cert, pair.key))
    assert "not valid yet" in read.fault


async def test_a_new_pair_is_read_and_a_bad_one_is_not(authority: Authority, pair: Pair) -> None:
    files = TlsFiles(pair.cert, pair.key)
    store = Reloaded("certificate", files.paths, lambda: read_certificates(files))
    first = store.value
    await store.check()
    assert store.value is first, "nothing changed"
    whole = pair.cert.read_bytes()
    pair.cert.write_bytes(whole[:-100])
    await store.check()
    assert store.value is first
    pair.cert.unlink()
    await store.check()
    assert store.value is first
    authority.sign("node")
    await store.check()
    assert store.value.cert == pair.cert.read_bytes() != first.cert


def test_a_client_may_show_a_certificate_over_http(authority: Authority, pair: Pair) -> None:
    certificates = read_certificates(TlsFiles(pair.cert, pair.key, authority.cert))
    assert server_context(certificates).verify_mode is ssl.CERT_OPTIONAL
    assert server_context(read_certificates(TlsFiles(pair.cert, pair.key))).verify_mode is ssl.CERT_NONE
