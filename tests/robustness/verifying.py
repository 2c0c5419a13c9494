"""Verification sessions against the fake backend, whose verdict on drafts is known."""

from time import monotonic
from typing import Any

import grpc

from tests.robustness.history import Event
from tests.service.test_verify import VOCABULARY
from xapp.backend.fake_rule import END_TOKEN, next_token
from xapp.inference.v1 import verification_pb2 as pb
from xapp.inference.v1 import verification_pb2_grpc

END_OF_ANSWER = -1
MAX_SESSIONS = 256
"""Sessions that one caller may have at once."""


def expected(content: list[int], drafts: list[int]) -> tuple[int, int]:
    """The accepted drafts, and the model's own token behind them."""
    content = list(content)
    for count, draft in enumerate([*drafts, None]):
        token = next_token(content)
        if token != draft or token == END_TOKEN:
            return count, END_OF_ANSWER if token == END_TOKEN else token
        content.append(token)
    raise AssertionError("unreachable: no token is None")


def drafts_for(content: list[int], count: int, wrong_at: int) -> list[int]:
    """The model's own tokens, and a wrong one."""
    content, drafts = list(content), []
    for place in range(count):
        token = next_token(content) if place != wrong_at else ord("?")
        drafts.append(token)
        content.append(token)
    return drafts


async def verify(stub: Any, prompt: str, wrong_at: int, **options: Any) -> Event:
    """A session with one verification. Raises ValueError for a wrong verdict."""
    tokens = list(prompt.encode())
    drafts = drafts_for(tokens, 6, wrong_at)
    call = stub.Verify(**options)
    await call.write(_open(tokens))
    await _read(call)
    await call.write(pb.VerifyRequest(verify=pb.VerifyDrafts(position=len(tokens), drafts=drafts)))
    verdict = (await _read(call)).verdict
    await call.done_writing()
    await call.read()
    if (verdict.num_accepted, verdict.tokens[0]) != expected(tokens, drafts):
        raise ValueError(f"the verdict on {drafts} behind {prompt!r} is {verdict}")
    return Event(monotonic(), "result")


async def _read(call: Any) -> pb.VerifyResponse:
    """The next message. Raises the error of the call."""
    message = await call.read()
    if message is grpc.aio.EOF:
        await call  # its status
        raise ValueError("a session ended by itself")
    return message  # type: ignore[no-any-return]


def _open(tokens: list[int]) -> pb.VerifyRequest:
    return pb.VerifyRequest(open=pb.OpenSession(vocabulary_digest=VOCABULARY, tokens=tokens))


async def open_all(channel: grpc.aio.Channel, **options: Any) -> str:
    """As many sessions as one caller may have: "OK", or how one ended."""
    stub: Any = verification_pb2_grpc.VerificationServiceStub(channel)
    calls = [stub.Verify(**options) for _ in range(MAX_SESSIONS)]
    try:
        for call in calls:
            await call.write(_open([1, 2, 3]))
        for call in calls:
            if await call.read() is grpc.aio.EOF:
                return f"{(await call.code()).name}: {await call.details()}"
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name}: {error.details()}"
    finally:
        for call in calls:
            call.cancel()
    return "OK"
