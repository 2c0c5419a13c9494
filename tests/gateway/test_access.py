"""Who may call: keys, policies, web pages, and what the log must not have."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.gateways import CHAT, HELLO, Gateway, running
from tests.server.conftest import settings
from tests.server.fake_service import MODEL, FakeService, endless, hello
from tests.server.test_access import POLICY, secured, token_of
from xapp.domain.answers import Chunk, Event
from xapp.domain.requests import Request
from xapp.domain.scope import of_principal
from xapp.errors import Unavailable
from xapp.security.attempts import BURST

PATHS = [CHAT, "/v1/completions", "/tokenize", "/detokenize", "/v1/embeddings", "/v1/rerank"]


def key(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_of(name)}"}


async def test_health_is_open_and_nothing_else(tmp_path: Path) -> None:
    async with running(configured=secured(tmp_path)) as gateway:
        assert (await gateway.get("/health")).status == 200
        for path in PATHS:
            answer = await gateway.post(path, {})
            assert answer.error == (401, "invalid_api_key", None)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert (await gateway.post(path, {}, Authorization="Bearer no")).error[1] == "invalid_api_key"
        for path in ("/v1/models", "/v1/models/tiny", "/elsewhere"):
            assert (await gateway.get(path)).status == 401
        assert (await gateway.post(CHAT, HELLO, **key("planner"))).status == 200
        assert gateway.service.requests[0].client == "planner"


async def test_wrong_keys_have_to_wait(tmp_path: Path) -> None:
    async with running(configured=secured(tmp_path)) as gateway:
        wrong = [await gateway.post(CHAT, HELLO, **key("nobody")) for _ in range(BURST + 1)]
        assert wrong[-1].error[:2] == (429, "too_many_attempts")
        assert "retry-after" in wrong[-1].headers
        assert (await gateway.post(CHAT, HELLO, **key("planner"))).status == 200


async def test_a_key_in_the_url_is_no_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(configured=secured(tmp_path)) as gateway:
        for name in ("api_key", "key", "access_token"):
            answer = await gateway.post(f"{CHAT}?{name}={token_of('planner')}", HELLO)
            assert answer.error[0] == 401
            both = await gateway.post(f"{CHAT}?{name}={token_of('planner')}", HELLO, **key("planner"))
            assert both.error == (400, "query_not_taken", "URL")
        assert (await gateway.post(CHAT, HELLO, **key("planner"))).status == 200
        assert (await gateway.post(CHAT, {"bad": token_of("planner")}, **key("planner"))).status == 400
    assert caplog.records
    assert not any(token_of("planner") in str(record.__dict__) for record in caplog.records)


async def test_a_policy_holds_here_too(tmp_path: Path) -> None:
    async with running(configured=secured(tmp_path, POLICY)) as gateway:
        denied = (403, "model_not_allowed", None)
        assert (await gateway.post(CHAT, HELLO | {"model": "other"}, **key("planner"))).error == denied
        other = {"prompt": "a", "model": "other"}
        assert (await gateway.post("/tokenize", other, **key("planner"))).error == denied
        critical = await gateway.post(CHAT, HELLO | {"priority": "critical"}, **key("planner"))
        assert critical.error == (403, "priority_not_allowed", None)
        task = {"messages": [], "task": "other"}
        assert (await gateway.post(CHAT, task, **key("planner"))).error == (403, "task_not_allowed", None)
        assert (await gateway.get(f"/v1/models/{MODEL}", **key("planner"))).error[1] == "method_not_allowed"
        models = await gateway.get("/v1/models", **key("planner"))
        assert [each["id"] for each in models.body["data"]] == [MODEL]
        assert (await gateway.post(CHAT, HELLO, **key("guest"))).error == (403, "method_not_allowed", None)
        assert (await gateway.post(CHAT, HELLO | {"model": MODEL}, **key("planner"))).status == 200
        assert (await gateway.post(CHAT, HELLO | {"priority": "critical"}, **key("operator"))).status == 200


async def test_users_of_a_principal_share_nothing(tmp_path: Path) -> None:
    async with running(configured=secured(tmp_path)) as gateway:
        for user in ("ue-1", "ue-2"):
            assert (await gateway.post(CHAT, HELLO | {"user": user}, **key("planner"))).status == 200
    scopes = [request.scope for request in gateway.service.requests]
    assert scopes == [f"{of_principal('planner')} user ue-1", f"{of_principal('planner')} user ue-2"]
    assert {request.client for request in gateway.service.requests} == {"planner"}


async def test_calls_of_an_address_are_bounded() -> None:
    service = FakeService(endless("x", asyncio.Event()))
    async with running(service, settings(max_calls=1)) as gateway:
        stream = gateway.session.post(gateway.url(CHAT), json=HELLO | {"stream": True})
        async with stream as answer:
            assert answer.status == 200
            assert (await gateway.chat()).error == (429, "too_many_streams", None)


# ---- web pages


HOSTS = [("evil.example", 421), ("evil.example:80", 421), ("localhost.evil.example", 421), ("", 421)]
HOSTS += [("127.0.0.1", 200), ("localhost:1", 200), ("[::1]:8000", 200), ("10.0.0.7:8000", 200)]


@pytest.mark.parametrize(("host", "status"), HOSTS)
async def test_the_host_header_names_the_node(gateway: Gateway, host: str, status: int) -> None:
    assert (await gateway.post(CHAT, HELLO, Host=host)).status == status
    assert (await gateway.get("/v1/models", Host=host)).status == status


async def test_names_of_the_node_can_be_set() -> None:
    async with running(configured=settings(openai_hosts="genai.example, Other.example")) as gateway:
        for host in ("genai.example:8000", "other.EXAMPLE"):
            assert (await gateway.post(CHAT, HELLO, Host=host)).status == 200
        assert (await gateway.post(CHAT, HELLO, Host="evil.example")).error[:2] == (421, "unknown_host")


async def test_pages_of_other_sites_may_not_call(gateway: Gateway) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        answer = await gateway.post(CHAT, HELLO, Origin=origin)
        assert answer.error[:2] == (403, "unknown_origin")
        assert "access-control-allow-origin" not in answer.headers
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert (await gateway.ask("OPTIONS", CHAT, headers=asked)).status == 403
    own = gateway.url("").rstrip("/")
    assert (await gateway.post(CHAT, HELLO, Origin=own)).status == 200
    assert len(gateway.service.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_pages_of_a_named_origin_may(tmp_path: Path, stream: bool) -> None:
    page = "https://page.example"
    async with running(configured=secured(tmp_path, openai_origins=page)) as gateway:
        asked = {"Origin": page, "Access-Control-Request-Method": "POST"}
        preflight = await gateway.ask("OPTIONS", CHAT, headers=asked)
        assert preflight.status == 204
        answer = await gateway.post(CHAT, HELLO | {"stream": stream}, Origin=page, **key("planner"))
        refused = await gateway.post(CHAT, HELLO, Origin=page)
        for each in (preflight, answer, refused):
            assert each.headers["access-control-allow-origin"] == page
        assert (answer.status, refused.status) == (200, 401)


def audit(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.__dict__["fields"] for record in caplog.records if record.name == "xapp.audit"]


async def lost(request: Request) -> AsyncGenerator[Event, None]:
    async for event in hello(request):
        yield event
        if isinstance(event, Chunk):
            raise Unavailable("the worker was lost", reason="WORKER_LOST")


async def test_the_audit_log_has_who_what_and_outcome(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running(FakeService(lost), secured(tmp_path)) as gateway:
        for fields in ({"stream": True}, {"temperature": 9}):
            await gateway.post(CHAT, HELLO | {"model": MODEL} | fields, **key("planner"))
        await gateway.get("/v1/models/other", **key("planner"))
        await gateway.post("/v1/models", {}, **key("planner"))
        await gateway.get("/elsewhere", **key("planner"))
    seen = [(each["method"], each["outcome"], each.get("model", each.get("name"))) for each in audit(caplog)]
    assert seen == [
        (CHAT, "worker_lost", MODEL),
        (CHAT, "invalid_argument", None),
        ("/v1/models/{id}", "model_not_found", "other"),
        ("", "method_not_allowed", None),
        ("", "not_found", None),
    ]
    assert {each["peer"] for each in audit(caplog)} == {"127.0.0.1"}


async def test_a_key_in_a_path_is_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(configured=secured(tmp_path)) as gateway:
        for headers in ({}, key("planner"), key("nobody")):
            assert (await gateway.get(f"/{token_of('planner')}/v1/models", **headers)).status in {401, 404}
    assert caplog.records
    assert not any(token_of("planner") in str(record.__dict__) for record in caplog.records)


async def test_the_log_names_the_request_and_not_its_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running(FakeService()) as gateway:
        await gateway.chat(messages=[{"role": "user", "content": "the secret word"}])
    (record,) = [each for each in caplog.records if each.name == "xapp.request"]
    assert record.__dict__["fields"]["num_completion_tokens"] == 2
    assert not any("secret word" in str(each.__dict__) for each in caplog.records)
