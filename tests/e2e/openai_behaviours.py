"""Forty behaviours of OpenAI's API, seen through OpenAI's own client, that programs rely on.

    python -m tests.e2e.openai_behaviours http://127.0.0.1:8000/v1 MODEL

says for each whether a server behaves so, and how many do. Each behaviour is an async function that raises
where the server behaves otherwise.
"""

import asyncio
import json
import math
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI
from pydantic import BaseModel

LIMIT_S = 60.0
USER: Any = [{"role": "user", "content": "Set cell north to 40 dBm."}]
PROMPT = "The capital of France is"
CELL = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "load": {"type": "integer", "maximum": 100}},
    "required": ["name", "load"],
    "additionalProperties": False,
}
TOOLS: Any = [
    {
        "type": "function",
        "function": {"name": "set_power", "description": "Sets the power of a cell.", "parameters": CELL},
    },
    {"type": "function", "function": {"name": "clock", "description": "Tells the time.", "parameters": {
        "type": "object", "properties": {}}}},
]  # fmt: skip
NAMED: Any = {"type": "function", "function": {"name": "clock"}}


class Asker:
    """A client with a model, and short ways to ask."""

    def __init__(self, client: AsyncOpenAI, model: str) -> None:
        self.client = client
        self.model = model

    async def chat(self, **fields: Any) -> Any:
        asked: dict[str, Any] = {"messages": USER, "max_tokens": 12, "temperature": 0} | fields
        return await self.client.chat.completions.create(model=self.model, **asked)

    async def chunks(self, **fields: Any) -> list[Any]:
        return [chunk async for chunk in await self.chat(stream=True, **fields)]

    async def completion(self, **fields: Any) -> Any:
        asked: dict[str, Any] = {"prompt": PROMPT, "max_tokens": 6, "temperature": 0} | fields
        return await self.client.completions.create(model=self.model, **asked)

    async def refused(self, **fields: Any) -> openai.APIStatusError:
        try:
            await self.chat(**fields)
        except openai.APIStatusError as error:
            return error
        raise AssertionError("it was not refused")


Behaviour = Callable[[Asker], Awaitable[None]]
BEHAVIOURS: dict[str, Behaviour] = {}


def behaviour(name: str) -> Callable[[Behaviour], Behaviour]:
    def add(function: Behaviour) -> Behaviour:
        BEHAVIOURS[name] = function
        return function

    return add


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


# ---- answers


@behaviour("a whole answer has a role, a text and an end")
async def _(ask: Asker) -> None:
    (choice,) = (await ask.chat()).choices
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.finish_reason in {"stop", "length"}


@behaviour("usage adds up")
async def _(ask: Asker) -> None:
    usage = (await ask.chat()).usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert 0 < usage.completion_tokens <= 12


@behaviour("usage tells cached tokens of a second turn")
async def _(ask: Asker) -> None:
    turns: Any = [{"role": "user", "content": "Tell me about radio networks. " * 8}]
    await ask.chat(messages=turns)
    usage = (await ask.chat(messages=turns)).usage
    assert usage.prompt_tokens_details.cached_tokens > 20


@behaviour("max_tokens cuts with length")
async def _(ask: Asker) -> None:
    done = await ask.chat(max_tokens=2)
    assert done.choices[0].finish_reason == "length"
    assert done.usage.completion_tokens == 2


@behaviour("max_completion_tokens does the same")
async def _(ask: Asker) -> None:
    done = await ask.client.chat.completions.create(
        model=ask.model, messages=USER, max_completion_tokens=2, temperature=0
    )
    assert done.usage is not None
    assert done.usage.completion_tokens == 2


@behaviour("temperature 0 repeats")
async def _(ask: Asker) -> None:
    first, second = [await ask.chat() for _ in range(2)]
    assert first.choices[0].message.content == second.choices[0].message.content


@behaviour("a seed repeats, another seed does not")
async def _(ask: Asker) -> None:
    asked = [await ask.completion(temperature=1.5, seed=seed, max_tokens=12) for seed in (1, 1, 2)]
    texts = [done.choices[0].text for done in asked]
    assert texts[0] == texts[1] != texts[2]


@behaviour("a system message is read")
async def _(ask: Asker) -> None:
    system: Any = [{"role": "system", "content": "Be brief. " * 10}, *USER]
    assert (await ask.chat(messages=system)).usage.prompt_tokens > (await ask.chat()).usage.prompt_tokens


@behaviour("a developer message is read as a system message")
async def _(ask: Asker) -> None:
    system: Any = [{"role": "system", "content": "Be brief."}, *USER]
    developer: Any = [{"role": "developer", "content": "Be brief."}, *USER]
    one, two = await ask.chat(messages=system), await ask.chat(messages=developer)
    assert one.usage.prompt_tokens == two.usage.prompt_tokens


@behaviour("text parts are joined")
async def _(ask: Asker) -> None:
    parts: Any = [{"role": "user", "content": [{"type": "text", "text": "Set cell north "},
                                                {"type": "text", "text": "to 40 dBm."}]}]  # fmt: skip
    assert (await ask.chat(messages=parts)).choices[0].message.content == (await ask.chat()).choices[
        0
    ].message.content


@behaviour("a stop text ends with stop and is left out")
async def _(ask: Asker) -> None:
    done = await ask.completion(prompt="1, 2, 3, 4, 5,", max_tokens=24, stop=[" 8"])
    assert done.choices[0].finish_reason == "stop"
    assert "8" not in done.choices[0].text


@behaviour("a plain completion continues the text")
async def _(ask: Asker) -> None:
    done = await ask.completion()
    assert done.object == "text_completion"
    assert done.choices[0].text


# ---- streams


@behaviour("a stream says the same as a whole answer")
async def _(ask: Asker) -> None:
    assert text_of(await ask.chunks()) == (await ask.chat()).choices[0].message.content


@behaviour("a stream begins with the role and ends with a reason")
async def _(ask: Asker) -> None:
    chunks = [chunk for chunk in await ask.chunks() if chunk.choices]
    assert chunks[0].choices[0].delta.role == "assistant"
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons[-1] in {"stop", "length"}
    assert not any(reasons[:-1])


@behaviour("include_usage adds a last chunk without choices")
async def _(ask: Asker) -> None:
    *chunks, last = await ask.chunks(stream_options={"include_usage": True})
    assert not last.choices
    assert last.usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in chunks)


@behaviour("without include_usage no chunk has usage")
async def _(ask: Asker) -> None:
    assert all(chunk.choices and chunk.usage is None for chunk in await ask.chunks())


@behaviour("a plain completion streams")
async def _(ask: Asker) -> None:
    stream = await ask.completion(stream=True)
    text = "".join([chunk.choices[0].text async for chunk in stream if chunk.choices])
    assert text == (await ask.completion()).choices[0].text


@behaviour("a stream that is closed leaves the server answering")
async def _(ask: Asker) -> None:
    stream = await ask.chat(stream=True, max_tokens=200)
    await anext(stream)
    await stream.close()
    await ask.chat()


# ---- formats


@behaviour("json_object is an object")
async def _(ask: Asker) -> None:
    done = await ask.chat(response_format={"type": "json_object"}, max_tokens=150)
    assert done.choices[0].finish_reason == "length" or isinstance(
        json.loads(done.choices[0].message.content), dict
    )


@behaviour("json_schema is kept, at any temperature")
async def _(ask: Asker) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "cell", "strict": True, "schema": CELL}}
    for temperature in (0, 2):
        done = await ask.chat(response_format=schema, max_tokens=80, temperature=temperature, seed=3)
        found = json.loads(done.choices[0].message.content)
        assert found.keys() == {"name", "load"}
        assert found["load"] <= 100


class Cell(BaseModel):
    name: str
    load: int


@behaviour("a pydantic model is parsed")
async def _(ask: Asker) -> None:
    done = await ask.client.chat.completions.parse(
        model=ask.model, messages=USER, response_format=Cell, max_tokens=80, temperature=0
    )
    assert isinstance(done.choices[0].message.parsed, Cell)


# ---- tools


def arguments_of(call: Any) -> Any:
    arguments = json.loads(call.function.arguments)
    if call.function.name == "set_power":
        assert arguments.keys() == {"name", "load"}
        assert isinstance(arguments["load"], int)
        assert arguments["load"] <= 100
    return arguments


@behaviour("a required call comes and validates")
async def _(ask: Asker) -> None:
    done = await ask.chat(tools=TOOLS, tool_choice="required", parallel_tool_calls=False, max_tokens=150)
    (call,) = done.choices[0].message.tool_calls
    assert done.choices[0].finish_reason == "tool_calls"
    arguments_of(call)


@behaviour("a required call validates at a high temperature")
async def _(ask: Asker) -> None:
    for seed in range(3):
        done = await ask.chat(
            tools=TOOLS,
            tool_choice="required",
            parallel_tool_calls=False,
            temperature=2,
            seed=seed,
            max_tokens=150,
        )
        for call in done.choices[0].message.tool_calls:
            arguments_of(call)


@behaviour("a named tool is called")
async def _(ask: Asker) -> None:
    done = await ask.chat(tools=TOOLS, tool_choice=NAMED, max_tokens=100, parallel_tool_calls=False)
    (call,) = done.choices[0].message.tool_calls
    assert call.function.name == "clock"
    assert call.id
    assert call.type == "function"


@behaviour("tool_choice none calls nothing")
async def _(ask: Asker) -> None:
    done = await ask.chat(tools=TOOLS, tool_choice="none")
    assert not done.choices[0].message.tool_calls
    assert done.choices[0].message.content


@behaviour("tool calls stream as deltas")
async def _(ask: Asker) -> None:
    chunks = await ask.chunks(tools=TOOLS, tool_choice=NAMED, max_tokens=100, parallel_tool_calls=False)
    deltas = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or ()]
    assert deltas[0].id
    assert deltas[0].function.name == "clock"
    assert json.loads("".join(delta.function.arguments or "" for delta in deltas)) == {}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@behaviour("the result of a tool is read")
async def _(ask: Asker) -> None:
    function = {"name": "clock", "arguments": "{}"}
    called = {"role": "assistant", "content": None, "tool_calls": [
        {"id": "c1", "type": "function", "function": function}]}  # fmt: skip
    result = {"role": "tool", "tool_call_id": "c1", "content": "It is noon."}
    done = await ask.chat(messages=[*USER, called, result], tools=TOOLS)
    assert done.choices[0].message.content


@behaviour("a tool message without its call is refused")
async def _(ask: Asker) -> None:
    result = {"role": "tool", "tool_call_id": "c9", "content": "It is noon."}
    assert (await ask.refused(messages=[*USER, result])).status_code == 400


# ---- probabilities, biases, several answers


@behaviour("logprobs cover the answer")
async def _(ask: Asker) -> None:
    (choice,) = (await ask.chat(logprobs=True)).choices
    assert b"".join(bytes(each.bytes) for each in choice.logprobs.content).decode() == choice.message.content
    assert all(each.logprob <= 0 for each in choice.logprobs.content)


@behaviour("top_logprobs are sorted, and the first is the greedy token")
async def _(ask: Asker) -> None:
    (choice,) = (await ask.chat(logprobs=True, top_logprobs=4)).choices
    for each in choice.logprobs.content:
        values = [top.logprob for top in each.top_logprobs]
        assert len(values) == 4
        assert values == sorted(values, reverse=True)
        assert each.top_logprobs[0].token == each.token
        assert sum(map(math.exp, values)) <= 1.001


@behaviour("logprobs stream")
async def _(ask: Asker) -> None:
    chunks = await ask.chunks(logprobs=True, top_logprobs=1)
    said = [chunk.choices[0] for chunk in chunks if chunk.choices]
    found = [choice.logprobs for choice in said if choice.delta.content]
    assert all(each is not None and each.content for each in found)


@behaviour("n answers, each with an index")
async def _(ask: Asker) -> None:
    done = await ask.chat(n=3, temperature=1.5, seed=1)
    assert [choice.index for choice in done.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in done.choices}) > 1


@behaviour("n answers stream with their indexes")
async def _(ask: Asker) -> None:
    chunks = await ask.chunks(n=2, temperature=1.5, seed=1)
    assert {chunk.choices[0].index for chunk in chunks if chunk.choices} == {0, 1}


@behaviour("a frequency penalty changes a repetition")
async def _(ask: Asker) -> None:
    prompt = "la la la la la la la la la la"
    plain = await ask.completion(prompt=prompt, max_tokens=20)
    other = await ask.completion(prompt=prompt, max_tokens=20, frequency_penalty=2, presence_penalty=2)
    assert plain.choices[0].text != other.choices[0].text


# ---- models and errors


@behaviour("models are listed and retrieved")
async def _(ask: Asker) -> None:
    (model, *_) = [each async for each in ask.client.models.list()]
    assert (await ask.client.models.retrieve(model.id)).id == model.id


@behaviour("an unknown model is not found")
async def _(ask: Asker) -> None:
    other = Asker(ask.client, "no-such-model")
    assert (await other.refused()).status_code == 404


@behaviour("a wrong type names its field")
async def _(ask: Asker) -> None:
    error = await ask.refused(extra_body={"temperature": "hot"})
    assert error.status_code == 400
    assert error.param == "temperature"


@behaviour("an unknown field is not ignored in silence")
async def _(ask: Asker) -> None:
    assert (await ask.refused(extra_body={"temprature": 1})).status_code == 400


@behaviour("a prompt that is too long says so")
async def _(ask: Asker) -> None:
    error = await ask.refused(messages=[{"role": "user", "content": "word " * 30_000}])
    assert error.status_code == 400
    assert "context" in str(error)


@behaviour("an image is refused by name where there is no eye")
async def _(ask: Asker) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    error = await ask.refused(messages=[{"role": "user", "content": [image]}])
    assert 400 <= error.status_code < 600
    assert "image" in str(error)


async def tried(ask: Asker, behave: Behaviour) -> str:
    """ "" where the server behaves so, otherwise the reason."""
    try:
        async with asyncio.timeout(LIMIT_S):
            await behave(ask)
    except (AssertionError, openai.OpenAIError, ValueError, TypeError, LookupError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"[:160] or "it does not"
    except (TimeoutError, httpx2.HTTPError) as error:
        return f"{type(error).__name__}"
    return ""


async def main(url: str, model: str) -> int:
    """Prints the table. Returns how many behaviours are missing."""
    num_missing = 0
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        for name, behave in BEHAVIOURS.items():
            fault = await tried(Asker(client, model), behave)
            num_missing += bool(fault)
            print(f"{'no ' if fault else 'yes'}  {name}{'  – ' + fault if fault else ''}")
    print(f"{len(BEHAVIOURS) - num_missing} of {len(BEHAVIOURS)}")
    return num_missing


if __name__ == "__main__":
    sys.exit(min(1, asyncio.run(main(*sys.argv[1:]))))
