"""A real node that takes the tokens of an issuer, which hangs, comes back, and changes its key."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.e2e.caller import CALL_S, ENDLESS_FAKE, calling
from tests.live import LiveServer
from tests.security.issuers import AUDIENCE, ISSUER, key_set, public, signed
from tests.security.test_fetched_keys import Issuer, issuing
from xapp.inference.v1 import inference_pb2 as pb
from xapp.security.tokens import hash_of

pytestmark = pytest.mark.slow


@asynccontextmanager
async def serving(issuer: Issuer, folder: Path) -> AsyncIterator[LiveServer]:
    tokens = folder / "tokens.toml"
    tokens.write_text(f'operator = ["{hash_of("plain")}"]')
    settings = {"XAPP_JWKS": issuer.url, "XAPP_JWKS_CA": issuer.ca, "XAPP_TOKENS_FILE": str(tokens)}
    settings |= {"XAPP_JWT_ISSUER": ISSUER, "XAPP_JWT_AUDIENCE": AUDIENCE}
    server = LiveServer({**ENDLESS_FAKE, **settings})
    try:
        await asyncio.to_thread(server.wait_for, "serving")
        yield server
    finally:
        await asyncio.to_thread(server.close)


async def code_of(inference: Any, token: str) -> grpc.StatusCode:
    call = inference.Tokenize(
        pb.TokenizeRequest(prompt="hi"), timeout=CALL_S, metadata=(("authorization", f"Bearer {token}"),)
    )
    code: grpc.StatusCode = await call.code()
    return code


async def until_taken(inference: Any, token: str) -> None:
    async with asyncio.timeout(CALL_S):
        while await code_of(inference, token) is not grpc.StatusCode.OK:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_an_issuer_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    async with issuing(tmp_path / "issuer") as issuer:
        issuer.hangs = True
        async with serving(issuer, tmp_path) as server, calling(server) as caller:
            assert await code_of(caller.inference, "plain") is grpc.StatusCode.OK
            assert await code_of(caller.inference, signed()) is grpc.StatusCode.UNAVAILABLE
            issuer.hangs = False
            issuer.release.set()
            await until_taken(caller.inference, signed())
            for wrong in (signed(aud="another"), signed(exp=1), signed(kid="new")):
                assert await code_of(caller.inference, wrong) is grpc.StatusCode.UNAUTHENTICATED
            audit = [record for record in server.records() if record.get("event") == "audit"]
            assert {record["principal"] for record in audit} == {"operator", "planner"}
            assert signed().split(".")[2] not in "".join(server.lines)


async def test_a_file_of_keys_is_changed(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(key_set(public("rsa")))
    settings = {"XAPP_JWKS": str(keys), "XAPP_JWT_ISSUER": ISSUER, "XAPP_JWT_AUDIENCE": AUDIENCE}
    server = LiveServer({**ENDLESS_FAKE, **settings})
    try:
        await asyncio.to_thread(server.wait_for, "serving")
        async with calling(server) as caller:
            old = signed("rsa")
            assert await code_of(caller.inference, old) is grpc.StatusCode.OK
            assert await code_of(caller.inference, signed("ec")) is grpc.StatusCode.UNAUTHENTICATED
            keys.write_bytes(key_set(public("ec")))
            await asyncio.to_thread(server.wait_for, "jwks read again")
            assert await code_of(caller.inference, signed("ec")) is grpc.StatusCode.OK
            assert await code_of(caller.inference, old) is grpc.StatusCode.UNAUTHENTICATED
    finally:
        await asyncio.to_thread(server.close)
