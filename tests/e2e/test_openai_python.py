"""OpenAI's client for Python, unchanged, against a real server with the default model."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.e2e.caller import ENDLESS_FAKE, until_counted
from tests.e2e.gateways import LiveGateway, serving_openai
from tests.workers.workers import until
from xapp.security.tokens import hash_of

pytestmark = pytest.mark.slow

MODEL = "smollm2-135m-q4_1"
PATIENCE_S = 60.0
PAGE = Path(__file__).parents[2] / "docs" / "openai.md"


@pytest.fixture
async def client(live_gateway: LiveGateway) -> AsyncIterator[AsyncOpenAI]:
    async with live_gateway.client() as client:
        yield client


async def test_a_chat_streamed_or_whole(client: AsyncOpenAI) -> None:
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}], "temperature": 0}
    whole = await client.chat.completions.create(**asked, max_completion_tokens=12)  # type: ignore[call-overload]
    assert whole.choices[0].message.role == "assistant"
    assert whole.choices[0].message.content
    assert whole.usage.completion_tokens <= 12
    stream = await client.chat.completions.create(  # type: ignore[call-overload]
        **asked, max_completion_tokens=12, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens


async def test_the_same_seed_gives_the_same_answer(client: AsyncOpenAI) -> None:
    async def ask(seed: int) -> str:
        done = await client.completions.create(
            model=MODEL, prompt="Once upon a time", seed=seed, temperature=1.0, max_tokens=12
        )
        return done.choices[0].text

    assert await ask(1) == await ask(1) != await ask(2)


async def test_a_stop_text_ends_the_answer(client: AsyncOpenAI) -> None:
    done = await client.completions.create(
        model=MODEL, prompt="1, 2, 3, 4, 5, 6,", temperature=0, max_tokens=40, stop=[" 9"]
    )
    assert done.choices[0].finish_reason == "stop"
    assert "9" not in done.choices[0].text


class Cell(BaseModel):
    name: str
    load: int
    is_overloaded: bool


async def test_a_pydantic_model_is_the_schema_of_the_answer(client: AsyncOpenAI) -> None:
    done = await client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": "Cell north has load 90."}],
        response_format=Cell,
        max_completion_tokens=100,
    )
    assert isinstance(done.choices[0].message.parsed, Cell)


async def test_json_object(client: AsyncOpenAI) -> None:
    done = await client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Answer in JSON: the capital of France."}],
        response_format={"type": "json_object"},
        temperature=0,
        max_completion_tokens=80,
    )
    if done.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(done.choices[0].message.content or ""), dict)


TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "set_power",
            "description": "Sets the transmit power of a cell.",
            "parameters": {
                "type": "object",
                "properties": {
                    "cell": {"type": "string", "maxLength": 12},
                    "dbm": {"type": "integer", "minimum": 0, "maximum": 46},
                },
                "required": ["cell", "dbm"],
                "additionalProperties": False,
            },
        },
    },
    {"type": "function", "function": {"name": "clock", "description": "Tells the time."}},
]
ASKED: Any = [{"role": "user", "content": "Set cell north to 40 dBm."}]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "set_power"}}])
@pytest.mark.parametrize("temperature", [0, 2])
async def test_a_tool_call_always_validates(client: AsyncOpenAI, choice: Any, temperature: int) -> None:
    done = await client.chat.completions.create(
        model=MODEL,
        messages=ASKED,
        tools=TOOLS,
        tool_choice=choice,
        parallel_tool_calls=False,
        temperature=temperature,
        seed=1,
        max_completion_tokens=120,
    )
    assert done.choices[0].finish_reason == "tool_calls"
    calls: Any = done.choices[0].message.tool_calls
    (call,) = calls
    assert call.type == "function"
    assert call.function.name in {"set_power", "clock"}
    arguments = json.loads(call.function.arguments)
    if call.function.name == "set_power":
        assert arguments.keys() == {"cell", "dbm"}
        assert 0 <= arguments["dbm"] <= 46
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "done"}
    said: Any = done.choices[0].message.model_dump()
    again = await client.chat.completions.create(
        model=MODEL, messages=[*ASKED, said, result], tools=TOOLS, max_completion_tokens=4
    )
    assert again.usage is not None
    assert again.usage.prompt_tokens > 100


async def test_streamed_tool_calls(client: AsyncOpenAI) -> None:
    async with client.chat.completions.stream(
        model=MODEL,
        messages=ASKED,
        tools=TOOLS,
        tool_choice="required",
        max_completion_tokens=200,
        temperature=0,
    ) as stream:
        done = await stream.get_final_completion()
    if done.choices[0].finish_reason == "tool_calls":
        for call in done.choices[0].message.tool_calls or ():
            assert isinstance(json.loads(call.function.arguments), dict)


async def test_tools_that_are_not_needed_leave_the_answer_alone(client: AsyncOpenAI) -> None:
    """The grammar of an answer that may call tools allows every other text."""
    asked: Any = {"model": MODEL, "messages": ASKED, "temperature": 0, "max_completion_tokens": 24}
    done = await client.chat.completions.create(**asked, tools=TOOLS, tool_choice="auto")
    assert done.choices[0].message.content or done.choices[0].message.tool_calls
    none = await client.chat.completions.create(**asked, tools=TOOLS, tool_choice="none")
    plain = await client.chat.completions.create(**asked)
    assert none.choices[0].message.content == plain.choices[0].message.content


async def test_several_answers_share_the_prompt(client: AsyncOpenAI) -> None:
    asked: Any = [{"role": "user", "content": "Tell me about antennas and power. " * 12}]
    done = await client.chat.completions.create(
        model=MODEL, messages=asked, n=3, seed=1, temperature=1.5, max_completion_tokens=8
    )
    assert len({choice.message.content for choice in done.choices}) == 3
    assert done.usage is not None
    assert done.usage.completion_tokens <= 24


async def test_log_probabilities(client: AsyncOpenAI) -> None:
    asked: Any = {"model": MODEL, "messages": ASKED, "temperature": 0, "max_completion_tokens": 5}
    done = await client.chat.completions.create(**asked, logprobs=True, top_logprobs=3)
    logprobs = done.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content
    text = b"".join(bytes(token.bytes or ()) for token in logprobs.content).decode()
    assert text == done.choices[0].message.content
    for token in logprobs.content:
        # Greedy: each token is the most likely.
        assert token.top_logprobs[0].token == token.token
        assert token.top_logprobs[0].logprob == pytest.approx(token.logprob)


async def test_a_bias_bans_a_token(client: AsyncOpenAI) -> None:
    asked: Any = {"model": MODEL, "prompt": "1, 2, 3, 4,", "temperature": 0, "max_tokens": 2, "logprobs": 1}
    first = await client.completions.create(**asked)
    async with aiohttp.ClientSession() as session:
        url = f"{str(client.base_url).removesuffix('/v1/')}/tokenize"
        async with session.post(url, json={"prompt": first.choices[0].text}) as answer:
            tokens = (await answer.json())["tokens"]
    banned = await client.completions.create(**asked, logit_bias={str(token): -100 for token in tokens})
    assert banned.choices[0].text != first.choices[0].text


async def test_models(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == [MODEL]
    assert (await client.models.retrieve(MODEL)).id == MODEL


async def test_errors_are_the_clients_own(client: AsyncOpenAI) -> None:
    schema: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nothing"}}}
    asked: Any = {"model": MODEL, "messages": ASKED, "max_completion_tokens": 500}
    with pytest.raises(openai.NotFoundError) as unknown:
        await client.chat.completions.create(**asked | {"model": "gpt-9"})
    with pytest.raises(openai.BadRequestError) as long:
        await client.completions.create(model=MODEL, prompt="word " * 20_000)
    with pytest.raises(openai.BadRequestError) as bad:
        await client.chat.completions.create(**asked, response_format=schema)
    with pytest.raises(openai.RateLimitError) as late:
        await client.chat.completions.create(**asked, extra_body={"deadline_ms": 1})
    assert unknown.value.code == "model_not_found"
    assert long.value.code == "context_length_exceeded"
    assert bad.value.param == "response_format"
    assert late.value.code in {"deadline_too_short", "deadline_unreachable"}


async def test_extensions(client: AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Count to a hundred."}],
        max_completion_tokens=8,
        extra_body={"priority": "critical", "correlation_id": "loop-7", "top_k": 5, "deadline_ms": 60_000},
    )
    assert raw.headers["x-correlation-id"]
    assert float(raw.headers["x-queue-ms"]) >= 0
    done = raw.parse()
    assert done.id == "chatcmpl-loop-7"
    assert done.usage is not None
    assert done.usage.model_extra is not None
    assert done.usage.model_extra["time_to_first_token_ms"] > 0


async def test_a_second_turn_takes_the_first_from_the_cache(client: AsyncOpenAI) -> None:
    first = {"role": "user", "content": "Tell me about radio networks. " * 10}
    turns = [first, {"role": "assistant", "content": "Radio."}, {"role": "user", "content": "More."}]
    for messages in ([first], turns):
        done = await client.chat.completions.create(model=MODEL, messages=messages, max_completion_tokens=2)  # type: ignore[arg-type]
    assert done.usage is not None
    assert done.usage.prompt_tokens_details is not None
    assert (done.usage.prompt_tokens_details.cached_tokens or 0) > 20


async def test_a_model_without_vectors_refuses_embeddings(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.APIStatusError, match=MODEL) as refused:
        await client.embeddings.create(model=MODEL, input="hi")
    assert refused.value.code == "unsupported_model"


def test_the_blocking_client(live_gateway: LiveGateway) -> None:
    messages: list[Any] = [{"role": "user", "content": "hi"}]
    with (
        live_gateway.blocking_client() as client,
        client.chat.completions.create(
            model=MODEL, messages=messages, max_completion_tokens=3, stream=True
        ) as stream,
    ):
        assert [chunk.object for chunk in stream]


def test_the_example_of_the_page(live_gateway: LiveGateway) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert "http://127.0.0.1:8000" in code
    command = [sys.executable, "-c", code.replace("http://127.0.0.1:8000", live_gateway.url)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_call_of_the_page(live_gateway: LiveGateway) -> None:
    (command,) = re.findall(r"^```sh\n(curl .*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    command = command.replace("http://127.0.0.1:8000", live_gateway.url)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    (choice,) = json.loads(done.stdout)["choices"]
    assert choice["finish_reason"] == "length" or choice["message"]["tool_calls"]


# ---- on a backend whose answers last


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    tokens = tmp_path_factory.mktemp("tokens") / "tokens.toml"
    tokens.write_text(f'planner = ["{hash_of("sk-planner")}"]\n')
    with serving_openai(
        {**ENDLESS_FAKE, "XAPP_TOKENS_FILE": str(tokens), "XAPP_OPEN": "health,metrics"}
    ) as live:
        yield live


async def test_a_key_is_needed_and_never_logged(guarded: LiveGateway) -> None:
    messages: list[Any] = [{"role": "user", "content": "hi"}]
    async with guarded.client("sk-wrong") as stranger, guarded.client("sk-planner") as planner:
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()
        done = await planner.chat.completions.create(model="", messages=messages, max_completion_tokens=2)
    assert done.choices
    # The log is written, and read here, a moment after the answer.
    await until(lambda: "planner" in "".join(guarded.server.lines))
    log = "".join(guarded.server.lines)
    assert "sk-planner" not in log
    assert "sk-wrong" not in log


async def test_a_client_that_hangs_up_frees_its_slot(guarded: LiveGateway) -> None:
    async with guarded.client("sk-planner") as client:
        stream = await client.chat.completions.create(
            model="",
            messages=[{"role": "user", "content": "go on"}],
            stream=True,
            extra_body={"deadline_policy": "best_effort"},
        )
        async with asyncio.timeout(PATIENCE_S):
            chunks = [await anext(stream) for _ in range(3)]
        assert chunks
        await stream.close()
    await until_counted(guarded.server, 0, "running")
