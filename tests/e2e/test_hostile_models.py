"""Models whose vocabulary or template kills or holds whoever works on a text: the server and others go on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from tests.e2e.caller import SERVING, Caller, calling, counted, get
from tests.live import LiveServer, serving
from tests.server.rich import details_of
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow

ASK = pb.GenerateRequest(prompt="The sea is", max_tokens=8)
CHAT = pb.Chat(messages=[pb.Message(role="user", content="hi")])
LETTERS = "a" * 27_000
HOLDING = b"{{ 1.5 in range(10**12) }}{% for m in messages %}{{ m.content }}{% endfor %}"
TASK = """\
name: hold
version: 1
description: Holds whoever makes the prompt.
kind: generate
prompt: "{{ 1.5 in range(n) }}"
inputs:
  n: {type: integer, description: How many.}
"""


def patched(source: Path, target: Path, *changes: tuple[bytes, bytes]) -> Path:
    """A copy with other bytes of the same length in its metadata."""
    data = bytearray(source.read_bytes())
    for old, new in changes:
        at = data.index(old)
        assert len(old) == len(new)
        data[at : at + len(old)] = new
    target.write_bytes(data)
    return target


def with_template(source: Path, target: Path, template: bytes) -> Path:
    """A copy with this chat template, filled up with a comment."""
    data = source.read_bytes()
    key = b"tokenizer.chat_template"
    start = data.index(key) + len(key) + 4
    length = int.from_bytes(data[start : start + 8], "little")
    old = data[start + 8 : start + 8 + length]
    filling = length - len(template) - 4
    return patched(source, target, (old, template + b"{#" + b"x" * filling + b"#}"))


@pytest.fixture(scope="module")
def server(shallow_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("models")
    with_template(shallow_model_path, folder / "holding.gguf", HOLDING)
    patched(shallow_model_path, folder / "bare.gguf", (b"tokenizer.ggml.pre", b"tokenizer.ggml.xxx"))
    (folder / "hold.yaml").write_text(TASK)
    environ = {
        "XAPP_MODEL": str(shallow_model_path),
        "XAPP_MODELS": "holding,bare",
        "XAPP_MODELS_DIR": str(folder),
        "XAPP_TASKS_DIR": str(folder),
        "XAPP_CONTEXT_LENGTH": "2048",
        "XAPP_KV_CELLS": "2048",
    }
    with serving(environ) as server:
        yield server


@pytest.fixture
async def caller(server: LiveServer) -> AsyncIterator[Caller]:
    async with calling(server) as caller:
        for name in ("holding", "bare"):
            await caller.load(name)
        yield caller
        assert (await get(server, "/ric/v1/health/alive"))[0] == 200
        assert await caller.check() == SERVING
        assert await caller.text(ASK)
        assert (await caller.model()).num_restarts == 0


async def refused(caller: Caller, request: pb.TokenizeRequest) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.inference.Tokenize(request)
    return caught.value


async def test_a_template_that_would_hold_the_interpreter(caller: Caller) -> None:
    error = await refused(caller, pb.TokenizeRequest(model="holding", chat=CHAT))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert details_of(error).info.reason == "BAD_CHAT_TEMPLATE"
    assert (await caller.inference.Tokenize(pb.TokenizeRequest(model="holding", prompt="hi"))).num_tokens


@pytest.mark.parametrize("model", ["", "bare"])
async def test_letters_without_end(caller: Caller, model: str) -> None:
    """Of a model that does not say how its text is cut, too."""
    error = await refused(caller, pb.TokenizeRequest(model=model, prompt=LETTERS))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(error).info.reason == "PROMPT_TOO_LONG"
    assert await counted(caller.server, "text_restarts_total") == 0


async def test_a_tasks_prompt_that_would_hold_the_interpreter(caller: Caller) -> None:
    request = pb.GenerateRequest(task="hold", max_tokens=8)
    request.inputs["n"] = 10**12
    error = await caller.refused(request)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "takes too much work" in (error.details() or "")
    request.inputs["n"] = 3
    assert await caller.text(request)


async def test_streams_go_on_while_texts_are_refused(caller: Caller) -> None:
    request = pb.TokenizeRequest(model="holding", chat=CHAT)
    bad = [asyncio.create_task(refused(caller, request)) for _ in range(20)]
    assert await caller.text(ASK)
    errors = await asyncio.gather(*bad)
    assert {error.code() for error in errors} == {grpc.StatusCode.FAILED_PRECONDITION}
