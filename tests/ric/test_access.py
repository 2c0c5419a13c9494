"""Who may ask the HTTP port for what."""

import logging
import ssl
from pathlib import Path

import aiohttp
import pytest

from tests.certificates import Authority, Pair
from tests.ric.test_http import serving as serving_plain
from tests.ric.test_https import serving as serving_tls
from tests.server.conftest import settings
from tests.server.test_access import POLICY, secured, token_of
from xapp.security.attempts import BURST

HEALTH = ["/ric/v1/health/alive", "/ric/v1/health/ready"]
METRICS = ["/metrics", "/ric/v1/metrics", "/ric/v1/config"]
SYMPTOMS = "/ric/v1/symptomdata"
FOR_ADMINS = [SYMPTOMS, "/ric/v1/policies"]


async def get(port: int, path: str, name: str | None = None, **headers: str) -> tuple[int, str]:
    """The status, and the reason of a refusal."""
    if name is not None:
        headers["Authorization"] = f"Bearer {token_of(name)}"
    url = f"http://127.0.0.1:{port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        refused = answer.status in {401, 403, 429, 503}
        return answer.status, (await answer.json())["reason"] if refused else ""


async def test_health_is_open_and_nothing_else(tmp_path: Path) -> None:
    async with serving_plain(secured(tmp_path)) as client:
        for path in HEALTH:
            assert await get(client.port, path) == (200, "")
        for path in (*METRICS, *FOR_ADMINS, "/elsewhere"):
            assert await get(client.port, path) == (401, "NO_CREDENTIALS")
            assert await get(client.port, path, Authorization="Bearer \udcff") == (401, "BAD_TOKEN")
        for path in METRICS:
            assert await get(client.port, path, "planner") == (200, "")
        for path in (SYMPTOMS, "/elsewhere"):
            assert await get(client.port, path, "planner") == (403, "METHOD_NOT_ALLOWED")


async def test_a_key_in_a_path_is_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    policy = "[operator]\nadmin = true\n[planner]\n"
    async with serving_plain(secured(tmp_path, policy)) as client:
        for name in (None, "planner", "operator"):
            assert (await get(client.port, f"/{token_of('operator')}/metrics", name))[0] in {401, 403, 404}
    audited = [record.__dict__["fields"] for record in caplog.records if record.name == "xapp.audit"]
    assert [each["outcome"] for each in audited] == ["not_found"]
    assert not any(token_of("operator") in str(record.__dict__) for record in caplog.records)


async def test_symptom_data_can_be_closed(tmp_path: Path) -> None:
    policy = "[operator]\nadmin = true\n"
    async with serving_plain(secured(tmp_path, policy, closed="symptoms")) as client:
        assert (await get(client.port, SYMPTOMS, "operator"))[0] == 404
    async with serving_plain(settings(closed="symptoms")) as client:
        assert (await get(client.port, SYMPTOMS))[0] == 404


async def test_who_shows_many_wrong_tokens_has_to_wait(tmp_path: Path) -> None:
    async with serving_plain(secured(tmp_path)) as client:
        wrong = [await get(client.port, METRICS[0], "nobody") for _ in range(BURST + 1)]
        assert wrong[0] == (401, "BAD_TOKEN")
        assert wrong[-1] == (429, "TOO_MANY_ATTEMPTS")
        assert await get(client.port, METRICS[0], "planner") == (200, "")


async def test_while_the_issuers_keys_are_unread_nobody_is_let_in() -> None:
    unread = settings(jwks="https://127.0.0.1:1/keys", jwt_issuer="i", jwt_audience="a")
    async with serving_plain(unread) as client:
        for path in (*METRICS, SYMPTOMS):
            answer = await get(client.port, path, Authorization="Bearer e30.e30.AAAA")
            assert answer == (503, "NO_ISSUER_KEYS")


async def test_a_policy_holds_here_too(tmp_path: Path) -> None:
    policy = POLICY + '[guest]\nmethods = ["Metrics"]\n'
    async with serving_plain(secured(tmp_path, policy)) as client:
        for path in METRICS:
            assert await get(client.port, path, "guest") == (200, "")
            assert await get(client.port, path, "planner") == (403, "METHOD_NOT_ALLOWED")
        for path in FOR_ADMINS:
            assert await get(client.port, path, "guest") == (403, "METHOD_NOT_ALLOWED")
            assert await get(client.port, path, "operator") == (200, "")


async def test_metrics_may_be_opened_and_health_closed(tmp_path: Path) -> None:
    async with serving_plain(secured(tmp_path, open="metrics")) as client:
        assert await get(client.port, "/metrics") == (200, "")
        assert await get(client.port, HEALTH[0]) == (401, "NO_CREDENTIALS")
        assert await get(client.port, HEALTH[0], "guest") == (200, "")


@pytest.mark.parametrize("subject", ["/CN=prometheus", "/"])
async def test_a_certificate_is_a_credential(tmp_path: Path, subject: str) -> None:
    """Its name is the common name, else the first alternative name."""
    authority = Authority(tmp_path)
    pair = authority.sign("prometheus", "DNS:prometheus", subject=subject)
    (tmp_path / "policy.toml").write_text('[prometheus]\nmethods = ["Metrics"]\n')
    files = {"tls_client_ca": str(authority.cert), "policy_file": str(tmp_path / "policy.toml")}
    async with serving_tls(authority.sign("node"), **files) as (port, _):
        assert await with_certificate(port, "/metrics", authority, pair) == 200
        assert await with_certificate(port, "/metrics", authority, authority.sign("other")) == 403
        assert await with_certificate(port, "/metrics", authority, None) == 401


async def with_certificate(port: int, path: str, authority: Authority, pair: Pair | None) -> int:
    context = ssl.create_default_context(cafile=authority.cert)
    if pair:
        context.load_cert_chain(pair.cert, pair.key)
    connector = aiohttp.TCPConnector(ssl=context)
    url = f"https://localhost:{port}{path}"
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
        return answer.status
