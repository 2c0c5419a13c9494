"""Two real nodes: the default model drafts, a copy of it in another format is the big model."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.caller import Caller, calling, text_of
from tests.live import serving
from xapp.backend.optimize import jobs
from xapp.backend.optimize.process import ask
from xapp.client import user
from xapp.inference.v1 import inference_pb2 as pb
from xapp.models.formats import FORMATS

pytestmark = pytest.mark.slow
QUESTIONS = ("What is the capital of France?", "Write a haiku about a tower.", "Count from one to ten.")
ON = pb.LINK_LOSS_POLICY_LITTLE_ONLY
LONG = 400
"""Tokens of an answer that is not whole when its first chunk is read."""


@dataclass(frozen=True)
class Nodes:
    little: Caller
    big: Caller


@pytest.fixture(scope="module")
def big_model(default_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("big") / "big.gguf"
    threads = os.cpu_count() or 1
    ask(
        jobs.Quantize(str(default_model_path), FORMATS["Q8_0"].file_type, str(target), threads, ""),
        jobs.Bytes,
    )
    return str(target)


@pytest.fixture
async def nodes(default_model_path: Path, big_model: str) -> AsyncIterator[Nodes]:
    with serving({"XAPP_MODEL": big_model}) as far:
        settings = {"XAPP_MODEL": str(default_model_path), "XAPP_BIG_TARGET": far.target}
        with serving(settings | {"XAPP_BIG_TIMEOUT_S": "60"}) as near:
            async with calling(near) as little, calling(far) as big:
                yield Nodes(little, big)


def asked(question: str, strategy: pb.DecodingStrategy | None = None) -> pb.GenerateRequest:
    chat = pb.Chat(messages=[user(question)])
    return pb.GenerateRequest(chat=chat, max_tokens=20, strategy=strategy)


async def test_answers_of_two_models(nodes: Nodes) -> None:
    same = 0
    for question in QUESTIONS:
        own = text_of(await nodes.big.generate(asked(question)))
        verified = pb.DecodingStrategy(verified=pb.VerifiedDecoding())
        events = await nodes.little.generate(asked(question, verified))
        made = events[-1].finished.speculation
        assert made.num_big_passes > 0
        assert made.num_bytes_sent > 0
        assert made.answered_by.endswith("+big")
        # Where they part, two logits are closer than float noise: that is rare.
        same += text_of(events) == own
        print(f"{question!r}: {own!r} and {text_of(events)!r}")
    assert same >= len(QUESTIONS) - 1
    corrected = pb.DecodingStrategy(big_little=pb.BigLittleDecoding())
    made = (await nodes.little.generate(asked(QUESTIONS[1], corrected)))[-1].finished.speculation
    assert made.num_big_passes > 0
    guided = pb.DecodingStrategy(guided=pb.GuidedDecoding(num_guidance_tokens=4))
    events = await nodes.little.generate(asked(QUESTIONS[1], guided))
    own = text_of(await nodes.big.generate(asked(QUESTIONS[1])))
    assert text_of(events)[:4] == own[:4]
    assert events[-1].finished.speculation.answered_by.startswith("big+")


async def test_a_big_node_that_dies_leaves_the_little_one(shallow_model_path: Path) -> None:
    model = {"XAPP_MODEL": str(shallow_model_path)}
    with serving(model) as far:
        settings = model | {"XAPP_BIG_TARGET": far.target}
        with serving(settings) as near:
            async with calling(near) as little:
                strategy = pb.DecodingStrategy(verified=pb.VerifiedDecoding(on_link_loss=ON))
                request = asked(QUESTIONS[1], strategy)
                request.max_tokens, request.ignore_eos = LONG, True
                call = little.inference.Generate(request, timeout=60)
                assert (await call.read()).HasField("started")
                assert (await call.read()).HasField("chunk")
                far.process.kill()
                last = await call.read()
                while not last.HasField("finished"):
                    last = await call.read()
    finished = last.finished
    assert finished.usage.num_completion_tokens == LONG
    assert finished.speculation.num_unverified_tokens > 0
