"""VerificationService over the wire, on a worker with the fake backend."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.flat_settings import flat_settings
from tests.server.fake_service import FakeHost
from tests.server.rich import details_of
from tests.service.test_verify import PROMPT, VOCABULARY, own
from xapp.inference.v1 import verification_pb2 as pb
from xapp.inference.v1 import verification_pb2_grpc
from xapp.security.tokens import hash_of
from xapp.server import verification
from xapp.server.server import serve_grpc
from xapp.service.service import NodeService
from xapp.telemetry.metrics import Metrics

WRONG_DIGEST = pb.VerifyDrafts(position=1, digest=b"x" * 8)
OPEN = pb.OpenSession(vocabulary_digest=VOCABULARY, tokens=PROMPT)


@contextlib.asynccontextmanager
async def serving(**fields: Any) -> AsyncIterator[tuple[grpc.aio.Channel, Metrics]]:
    settings = flat_settings(model="fake", backend="fake", host="127.0.0.1", grpc_port=0, **fields)
    metrics = Metrics()
    async with NodeService(settings) as service:
        await service.wait_ready()
        async with (
            serve_grpc(service, settings, metrics, FakeHost()) as server,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            yield channel, metrics


def begin(channel: grpc.aio.Channel, **options: Any) -> Any:
    stub: Any = verification_pb2_grpc.VerificationServiceStub(channel)
    return stub.Verify(timeout=20, **options)


async def asked(call: Any, **message: Any) -> Any:
    await call.write(pb.VerifyRequest(**message))
    return await call.read()


async def refused(channel: grpc.aio.Channel, *messages: pb.VerifyRequest) -> grpc.aio.AioRpcError:
    call = begin(channel)
    for message in messages:
        await call.write(message)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _read_all(call)
    return caught.value


async def _read_all(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def test_a_session_over_the_wire() -> None:
    async with serving() as (channel, metrics):
        call, right = begin(channel), own(PROMPT, 4)
        opened = (await asked(call, open=OPEN)).opened
        assert opened.model == "fake"
        verdict = (await asked(call, verify=pb.VerifyDrafts(position=len(PROMPT), drafts=right[:3]))).verdict
        assert (verdict.num_accepted, tuple(verdict.tokens)) == (3, right[3:])
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
    sample = metrics.registry.get_sample_value
    assert sample("ricxapp_genai_verified_tokens_total", {"model": "fake", "kind": "accepted"}) == 3


async def test_big_little_over_the_wire() -> None:
    async with serving() as (channel, _):
        call = begin(channel)
        open_session = pb.OpenSession(
            vocabulary_digest=VOCABULARY, tokens=PROMPT, mode=pb.VERIFICATION_MODE_BIG_LITTLE
        )
        await asked(call, open=open_session)
        verdict = (await asked(call, verify=pb.VerifyDrafts(position=len(PROMPT), drafts=[1, 2]))).verdict
        assert (len(verdict.surprisals), len(verdict.tokens)) == (2, 3)
        call.cancel()


@pytest.mark.parametrize(
    ("messages", "code", "reason"),
    [
        ([pb.VerifyRequest()], "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ([pb.VerifyRequest(verify=pb.VerifyDrafts())], "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ([pb.VerifyRequest(open=pb.OpenSession(tokens=[1]))], "FAILED_PRECONDITION", "VOCABULARY_DIFFERS"),
        ([pb.VerifyRequest(open=OPEN)] * 2, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (
            [
                pb.VerifyRequest(open=OPEN),
                pb.VerifyRequest(verify=WRONG_DIGEST),
            ],
            "ABORTED",
            "CONTEXT_DIFFERS",
        ),
        (
            [pb.VerifyRequest(open=OPEN), pb.VerifyRequest(verify=pb.VerifyDrafts(position=1, digest=b"x"))],
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
        ),
    ],
)
async def test_wrong_messages(messages: list[pb.VerifyRequest], code: str, reason: str) -> None:
    async with serving() as (channel, _):
        error = await refused(channel, *messages)
    assert error.code().name == code
    assert details_of(error).info.reason == reason


async def test_a_silent_session_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification.VerificationServicer.__init__, "__kwdefaults__", {"idle_s": 0.0})
    async with serving() as (channel, _):
        error = await refused(channel, pb.VerifyRequest(open=OPEN))
    assert (error.code().name, details_of(error).info.reason) == ("ABORTED", "SESSION_EXPIRED")


@pytest.mark.parametrize(
    ("policy", "opening", "reason"),
    [
        ('[edge]\nmethods = ["Generate"]\n', OPEN, "METHOD_NOT_ALLOWED"),
        ('[edge]\nmodels = ["other"]\n', OPEN, "MODEL_NOT_ALLOWED"),
        (
            '[edge]\npriorities = ["batch"]\n',
            pb.OpenSession(vocabulary_digest=VOCABULARY, tokens=PROMPT),
            "PRIORITY_NOT_ALLOWED",
        ),
    ],
)
async def test_the_access_policy_holds_for_sessions(
    tmp_path: Path, policy: str, opening: pb.OpenSession, reason: str
) -> None:
    tokens, rules = tmp_path / "tokens.toml", tmp_path / "policy.toml"
    tokens.write_text(f'edge = ["{hash_of("s3cret-token-of-edge")}"]\n')
    rules.write_text(policy)
    metadata = (("authorization", "Bearer s3cret-token-of-edge"),)
    async with serving(tokens_file=str(tokens), policy_file=str(rules)) as (channel, _):
        call = begin(channel, metadata=metadata)
        if reason != "METHOD_NOT_ALLOWED":
            await call.write(pb.VerifyRequest(open=opening))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _read_all(call)
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await _read_all(begin(channel))
    assert details_of(caught.value).info.reason == reason
    assert unknown.value.code() is grpc.StatusCode.UNAUTHENTICATED
