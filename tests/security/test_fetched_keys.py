"""Keys from a real https server that answers, fails, hangs and talks rubbish."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.certificates import Authority
from tests.engine.harness import Clock
from tests.security.issuers import AUDIENCE, ISSUER, key_set, public, signed
from tests.workers.workers import until
from xapp.errors import Unauthenticated, Unavailable
from xapp.security import fetched_keys as module
from xapp.security.fetched_keys import MAX_BYTES, MAX_DELAY_S, MAX_STALE_S, MIN_LOOK_S, FetchedKeys
from xapp.security.signed_tokens import Claims, SignedTokens


class Issuer:
    """Answers as it is told to. `asked` counts."""

    def __init__(self, authority: Authority) -> None:
        self.ca = str(authority.cert)
        self.url = ""
        self.asked = 0
        self.status, self.body = 200, key_set()
        self.hangs = False
        self.release = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.hangs:
            await self.release.wait()
        if self.status == 302:
            raise web.HTTPFound(self.url)
        return web.Response(status=self.status, body=self.body)


@asynccontextmanager
async def issuing(folder: Path) -> AsyncIterator[Issuer]:
    authority = Authority(folder)
    pair, issuer = authority.sign("issuer"), Issuer(authority)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    app = web.Application()
    app.add_routes([web.get("/keys", issuer.answer)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    issuer.url = f"https://127.0.0.1:{runner.addresses[0][1]}/keys"
    try:
        yield issuer
    finally:
        issuer.release.set()
        await runner.cleanup()


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[Issuer]:
    async with issuing(tmp_path) as issuer:
        yield issuer


async def test_keys_are_fetched(issuer: Issuer) -> None:
    keys = FetchedKeys(issuer.url, issuer.ca)
    assert len(keys.value) == 0
    assert await keys.fetch()
    assert SignedTokens(keys, Claims(ISSUER, AUDIENCE)).principal(signed()).name == "planner"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, key_set()),
        (503, b""),
        (404, key_set()),
        (302, b""),
        (200, b"<html>"),
        (200, b"x" * 2 * MAX_BYTES),
    ],
)
async def test_the_last_good_keys_stay(
    issuer: Issuer, status: int, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    keys = FetchedKeys(issuer.url, issuer.ca)
    await keys.fetch()
    issuer.status, issuer.body = status, body
    assert not await keys.fetch()
    assert len(keys.value) == 3
    assert "the last keys stay" in caplog.text


async def test_an_issuer_with_another_certificate_is_not_believed(issuer: Issuer, tmp_path: Path) -> None:
    keys = FetchedKeys(issuer.url, str(Authority(tmp_path / "other").cert))
    assert not await keys.fetch()
    assert issuer.asked == 0


async def test_nobody_listens() -> None:
    assert not await FetchedKeys("https://127.0.0.1:1/keys").fetch()


async def test_a_call_never_waits_for_an_issuer_that_hangs(issuer: Issuer) -> None:
    issuer.hangs = True
    keys = FetchedKeys(issuer.url, issuer.ca)
    watching = asyncio.create_task(keys.watch())
    await until(lambda: issuer.asked == 1)
    with pytest.raises(Unavailable):
        SignedTokens(keys, Claims(ISSUER, AUDIENCE)).principal(signed())
    issuer.release.set()
    await until(lambda: len(keys.value) > 0)
    assert SignedTokens(keys, Claims(ISSUER, AUDIENCE)).principal(signed()).name == "planner"
    watching.cancel()
    await asyncio.wait([watching])


async def test_a_transfer_that_hangs_ends(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.05)
    issuer.hangs = True
    assert not await FetchedKeys(issuer.url, issuer.ca).fetch()


async def test_a_new_key_is_found_when_it_is_used(issuer: Issuer) -> None:
    clock = Clock()
    issuer.body = key_set(public("rsa"))
    keys = FetchedKeys(issuer.url, issuer.ca, clock)
    tokens = SignedTokens(keys, Claims(ISSUER, AUDIENCE), keys.look_soon)
    watching = asyncio.create_task(keys.watch())
    await until(lambda: len(keys.value) > 0)
    issuer.body = key_set()
    clock.now += MIN_LOOK_S
    with pytest.raises(Unauthenticated):
        tokens.principal(signed())
    await until(lambda: len(keys.value) == 3)
    assert tokens.principal(signed()).name == "planner"
    watching.cancel()
    await asyncio.wait([watching])
    assert issuer.asked == 2


def test_strangers_cannot_make_the_node_ask_all_the_time() -> None:
    clock = Clock()
    keys = FetchedKeys("https://127.0.0.1:1/keys", clock=clock)
    keys._tried_at = clock.now
    keys.look_soon()
    assert not keys._wanted.is_set()


def test_the_wait_after_failures_grows_to_a_bound() -> None:
    keys = FetchedKeys("https://127.0.0.1:1/keys")
    waits = [keys._back_off() for _ in range(20)]
    assert 0.5 <= waits[0] <= 1.0
    assert MAX_DELAY_S / 2 <= waits[-1] <= MAX_DELAY_S


async def test_keys_that_are_too_old_count_no_more(issuer: Issuer) -> None:
    clock = Clock()
    keys = FetchedKeys(issuer.url, issuer.ca, clock)
    await keys.fetch()
    clock.now += MAX_STALE_S + 1
    assert len(keys.value) == 0
