"""The chart with TLS and tokens: who has both gets an answer, nobody else does."""

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from tests.cluster.release import Release, kubectl
from xapp.client import Client, ClientError, Retry, user
from xapp.tls import credentials

pytestmark = pytest.mark.timeout(600)
TOKEN = "a-token-that-is-as-random-as-a-test-needs"
ONCE = Retry(attempts=1)


@dataclass(frozen=True, slots=True)
class Closed:
    """A release that asks for a token, and the authority of its certificate."""

    target: str
    trusted: grpc.ChannelCredentials


@pytest.fixture(scope="module")
def closed(namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    folder = tmp_path_factory.mktemp("secrets")
    release = Release("closed", namespace)
    target = release.address("grpc")
    certificate, key = certificate_for(target.partition(":")[0], folder)
    (folder / "tokens.toml").write_text(
        f'planner = ["sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"]\n'
    )
    create = ("create", f"--namespace={namespace}", "secret")
    kubectl(*create, "tls", "closed-tls", f"--cert={certificate}", f"--key={key}")
    kubectl(*create, "generic", "closed-tokens", f"--from-file={folder / 'tokens.toml'}")
    release.install("tls.secret=closed-tls", "tls.http=true", "credentials.tokens=closed-tokens")
    try:
        yield Closed(target, credentials(certificate))
    finally:
        release.uninstall()


def certificate_for(host: str, folder: Path) -> tuple[Path, Path]:
    """One that vouches for itself."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    names = ["-subj", "/CN=closed", "-addext", f"subjectAltName=DNS:{host}"]
    files = ["-days", "2", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    return certificate, key


async def answer(client: Client) -> str:
    async with client:
        pieces = [t async for t in client.stream_text([user("Hello?")], max_tokens=8, deadline_s=120)]
    return "".join(pieces)


async def test_who_has_a_token_and_trusts_the_certificate_is_answered(closed: Closed) -> None:
    assert await answer(Client(closed.target, credentials=closed.trusted, token=TOKEN))


async def test_who_has_no_token_is_refused(closed: Closed) -> None:
    with pytest.raises(ClientError) as refused:
        await answer(Client(closed.target, credentials=closed.trusted))
    assert refused.value.code == "UNAUTHENTICATED"


async def test_plain_text_reaches_nothing(closed: Closed) -> None:
    with pytest.raises(ClientError) as refused:
        await answer(Client(closed.target, retry=ONCE, token=TOKEN))
    assert refused.value.code == "UNAVAILABLE"
