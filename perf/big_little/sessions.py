"""Verified tokens a second at the big node, with one session and with several at once.

The drafts are the big model's own tokens: each verification brings all of them and one token more.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import grpc

from perf.bar_table import Sample
from xapp.client import Client
from xapp.inference.v1 import (
    inference_pb2,
    inference_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    verification_pb2_grpc,
)
from xapp.inference.v1 import verification_pb2 as pb

NUM_DRAFTS = 5
STEP = NUM_DRAFTS + 1
NUM_VERIFICATIONS = 5
PROMPT = "Story {}: once upon a time there was a small tower on a hill, and"


def measure_sessions(target: str, counts: tuple[int, ...], number: int) -> Iterator[Sample]:
    """For each number of sessions: verified tokens a second, of all sessions together."""
    for count in counts:
        yield Sample(number, f"sessions.{count}", asyncio.run(_speed(target, count, number)))


async def _speed(target: str, count: int, number: int) -> float:
    async with grpc.aio.insecure_channel(target) as channel:
        vocabulary = await _vocabulary(channel)
        texts = [PROMPT.format(100 * number + 10 * count + index) for index in range(count)]
        tokens = [await _tokens(channel, target, text) for text in texts]
        begun = time.monotonic()
        verified = await asyncio.gather(*(_session(channel, vocabulary, *each) for each in tokens))
        return sum(verified) / (time.monotonic() - begun)


async def _vocabulary(channel: grpc.aio.Channel) -> str:
    listed = await models_pb2_grpc.ModelServiceStub(channel).ListModels(models_pb2.ListModelsRequest())
    return next(each.vocabulary_digest for each in listed.models if each.is_default)


async def _tokens(channel: grpc.aio.Channel, target: str, text: str) -> tuple[list[int], list[int]]:
    """The prompt and the model's own continuation, in tokens."""
    stub = inference_pb2_grpc.InferenceServiceStub(channel)
    length = NUM_VERIFICATIONS * STEP
    answer = ""
    async with Client(target) as client:
        async for event in client.generate(text, max_tokens=length, ignore_eos=True):
            answer += event.chunk.text
    prompt = await stub.Tokenize(inference_pb2.TokenizeRequest(prompt=text))
    whole = await stub.Tokenize(inference_pb2.TokenizeRequest(prompt=text + answer))
    count = len(prompt.tokens)
    return list(prompt.tokens), list(whole.tokens[count:])


async def _session(channel: grpc.aio.Channel, vocabulary: str, prompt: list[int], follows: list[int]) -> int:
    """The number of tokens that were settled."""
    call = verification_pb2_grpc.VerificationServiceStub(channel).Verify()
    opening = pb.OpenSession(vocabulary_digest=vocabulary, tokens=prompt, ignore_eos=True)
    await call.write(pb.VerifyRequest(open=opening))
    await call.read()
    settled = 0
    for start in range(0, len(follows) - NUM_DRAFTS, STEP):
        before = max(0, start - STEP)
        asked = pb.VerifyDrafts(
            position=len(prompt) + before,
            tokens=follows[before:start],
            drafts=follows[start : start + NUM_DRAFTS],
        )
        await call.write(pb.VerifyRequest(verify=asked))
        response: Any = await call.read()
        settled += response.verdict.num_accepted + 1
    await call.done_writing()
    return settled
