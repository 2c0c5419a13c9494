"""Plain completions, models, tokens, health, and unknown paths."""

import pytest

from tests.gateway.gateways import Gateway, running
from tests.server.conftest import settings
from tests.server.fake_service import INFO, MODEL


async def test_a_plain_completion(gateway: Gateway) -> None:
    answer = await gateway.post("/v1/completions", {"prompt": ["once"], "temperature": 0})
    (choice,) = answer.body["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("Hello", "stop")
    assert answer.body["object"] == "text_completion"
    (request,) = gateway.service.requests
    assert (request.prompt, request.max_tokens) == ("once", 16)


async def test_a_streamed_plain_completion(gateway: Gateway) -> None:
    answer = await gateway.post("/v1/completions", {"prompt": "once", "stream": True, "max_tokens": 5})
    assert [event["choices"][0]["text"] for event in answer.events] == ["Hel", "lo", ""]
    assert gateway.service.requests[0].max_tokens == 5


@pytest.mark.parametrize("prompt", [None, "", [], ["a", "b"], [1, 2], [[1]]])
async def test_prompts_that_are_refused(gateway: Gateway, prompt: object) -> None:
    answer = await gateway.post("/v1/completions", {"prompt": prompt})
    assert answer.status == 400
    assert answer.body["error"]["param"].startswith("prompt")


async def test_models_are_those_that_answer(gateway: Gateway) -> None:
    answer = await gateway.get("/v1/models")
    (model,) = answer.body["data"]
    assert (model["id"], model["object"], model["context_length"]) == (MODEL, "model", INFO.context_length)
    assert (await gateway.get(f"/v1/models/{MODEL}")).body == model
    assert (await gateway.get("/v1/models/none/such")).error == (404, "model_not_found", None)


async def test_models_can_be_closed() -> None:
    async with running(configured=settings(closed="models")) as gateway:
        assert (await gateway.get("/v1/models")).error == (404, "unknown_path", None)


async def test_tokens(gateway: Gateway) -> None:
    expected = {"count": 3, "max_model_len": 2048, "tokens": [1, 2, 3]}
    assert (await gateway.post("/tokenize", {"prompt": "hi"})).body == expected
    messages = [{"role": "user", "content": "hi"}]
    assert (await gateway.post("/tokenize", {"messages": messages})).body == expected
    assert (await gateway.post("/detokenize", {"tokens": [72, 105]})).body == {"prompt": "Hi"}
    assert (await gateway.post("/detokenize", {"tokens": [-1]})).error[2] == "tokens[0]"
    assert (await gateway.post("/tokenize", {"content": "hi"})).error == (400, "unknown_field", "content")
    assert (await gateway.post("/tokenize", {})).error == (400, "invalid_argument", "prompt")


async def test_health_follows_the_service(gateway: Gateway) -> None:
    assert (await gateway.get("/health")).status == 200
    gateway.service.ready = False
    assert (await gateway.get("/health")).status == 503


async def test_unknown_paths_and_methods(gateway: Gateway) -> None:
    assert (await gateway.get("/v1/nothing")).error == (404, "unknown_path", None)
    assert (await gateway.get("/v1/chat/completions")).error == (405, "not_here", "method")
