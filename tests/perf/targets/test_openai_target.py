"""The OpenAI target against a stand-in over HTTP, and against what is no such server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import msgspec
import pytest
from aiohttp import web

from perf.targets.openai_target import OpenAITarget
from perf.targets.target import CompletionRequest, TargetError, Turn

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MODELS = {"data": [{"id": "small", "owned_by": "llamacpp"}]}


async def models(request: web.Request) -> web.Response:
    return web.json_response(MODELS)


async def stream(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    response = web.StreamResponse()
    await response.prepare(request)
    chat = "messages" in body
    for _ in range(body["max_tokens"]):
        choice = {"delta": {"content": "x"}} if chat else {"text": "x"}
        await response.write(b"data: " + msgspec.json.encode({"choices": [choice]}) + b"\n\n")
    usage = {"prompt_tokens": 3, "completion_tokens": body["max_tokens"]}
    await response.write(b"data: " + msgspec.json.encode({"choices": [], "usage": usage}) + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    return response


@asynccontextmanager
async def serving(**posts: Handler) -> AsyncIterator[OpenAITarget]:
    """Handlers of paths whose slashes are written as __."""
    app = web.Application()
    app.router.add_get("/v1/models", models)
    for path, handler in posts.items():
        app.router.add_post("/" + path.replace("__", "/"), handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    target = OpenAITarget("http://{}:{}/v1".format(*runner.addresses[0][:2]))
    try:
        yield target
    finally:
        await target.aclose()
        await runner.cleanup()


async def code_of(awaitable: Awaitable[object]) -> str:
    with pytest.raises(TargetError) as caught:
        await awaitable
    return caught.value.code


async def test_the_first_model_is_taken() -> None:
    async with serving() as target:
        described = await target.describe()
    assert (described.kind, described.model, described.server) == ("openai", "small", "llama-server")


@pytest.mark.parametrize("given", ["Hi", (Turn("user", "Hi"),)])
async def test_text_is_completed_and_turns_are_chatted(given: str | tuple[Turn, ...]) -> None:
    async with serving(v1__completions=stream, v1__chat__completions=stream) as target:
        answer = await target.complete(CompletionRequest(given, 5))
    assert answer.text == "xxxxx"
    assert sum(arrival.num_tokens for arrival in answer.arrivals) == 5
    assert answer.num_prompt_tokens == 3


async def test_the_request_is_greedy_streamed_and_asks_for_usage() -> None:
    seen: dict[str, object] = {}

    async def watched(request: web.Request) -> web.StreamResponse:
        seen.update(await request.json())
        return await stream(request)

    async with serving(v1__completions=watched) as target:
        await target.describe()
        await target.complete(CompletionRequest("Hi", 2, ignore_eos=True))
    assert seen == {
        "model": "small",
        "prompt": "Hi",
        "max_tokens": 2,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "ignore_eos": True,
    }


async def test_a_refusal_says_when_to_try_again() -> None:
    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": "2"}, text="busy")

    async with serving(v1__completions=busy) as target:
        with pytest.raises(TargetError, match="503") as caught:
            await target.complete(CompletionRequest("Hi", 2))
    assert (caught.value.code, caught.value.retry_after_s) == ("refused", 2.0)


async def test_a_prompt_that_is_too_long_is_invalid() -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "context"}}, status=400)

    async with serving(v1__completions=refuse) as target:
        assert await code_of(target.complete(CompletionRequest("Hi", 2))) == "invalid"


async def test_an_http_server_of_another_kind_is_told() -> None:
    async with serving() as target:
        assert await code_of(target.complete(CompletionRequest("Hi", 2))) == "protocol"


async def test_a_connection_that_drops_in_the_middle_is_lost() -> None:
    async def drop(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'data: {"choices": [{"text": "x"}]}\n\n')
        assert request.transport is not None
        request.transport.close()
        return response

    async with serving(v1__completions=drop) as target:
        assert await code_of(target.complete(CompletionRequest("Hi", 2))) == "lost"


async def test_a_kept_connection_that_was_closed_is_made_anew() -> None:
    calls = 0

    async def close_second(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls == 2:
            assert request.transport is not None
            request.transport.close()
        return await stream(request)

    async with serving(v1__completions=close_second) as target:
        for _ in range(2):
            assert (await target.complete(CompletionRequest("Hi", 2))).text == "xx"
    assert calls == 3


async def test_the_deadline_ends_the_request() -> None:
    hung = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        await hung.wait()
        return web.Response()

    async with serving(v1__completions=hang) as target:
        assert await code_of(target.complete(CompletionRequest("Hi", 2, deadline_s=0.05))) == "deadline"
        hung.set()


async def test_tokens_are_counted_by_either_servers_tokenizer() -> None:
    async def ids(request: web.Request) -> web.Response:
        return web.json_response({"tokens": [1, 2, 3]})

    async def number(request: web.Request) -> web.Response:
        return web.json_response({"count": 4})

    async with serving(tokenize=ids) as target:
        assert await target.count_tokens("Hi") == 3
    async with serving(extras__tokenize__count=number) as target:
        assert await target.count_tokens("Hi") == 4


async def test_without_a_tokenizer_the_prompt_is_computed_once() -> None:
    async def once(request: web.Request) -> web.Response:
        body = await request.json()
        assert (body["max_tokens"], body["stream"]) == (1, False)
        return web.json_response({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})

    async with serving(v1__completions=once) as target:
        assert await target.count_tokens("Hi") == 9


async def test_nobody_listening_is_unreachable() -> None:
    target = OpenAITarget("127.0.0.1:1")
    assert await code_of(target.describe()) == "unreachable"
    assert await code_of(target.complete(CompletionRequest("Hi", 2))) == "unreachable"
    await target.aclose()
    await target.aclose()


async def test_a_grpc_server_is_told_from_an_http_server() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    target = OpenAITarget(f"127.0.0.1:{port}")
    with pytest.raises(TargetError, match="--target") as caught:
        await target.describe()
    assert caught.value.code == "protocol"
    await target.aclose()
    await server.stop(None)
