"""An agent of pydantic-ai against a node: run in an environment of its own.

OPENAI_BASE_URL=URL OPENAI_API_KEY=KEY python agent_caller.py MODEL
"""

import asyncio
import sys
from dataclasses import dataclass

from pydantic_ai import Agent, ModelSettings
from pydantic_ai.models.openai import OpenAIChatModel

model = OpenAIChatModel(sys.argv[1])
settings = ModelSettings(temperature=0, max_tokens=200)
asked: list[str] = []


@dataclass
class Report:
    """The state of a cell."""

    cell: str
    load: int


def read_load(cell: str) -> int:
    """Read the load of a cell in percent."""
    asked.append(cell)
    return 87


async def streams() -> None:
    """Text comes in pieces."""
    agent = Agent(model, model_settings=ModelSettings(temperature=0, max_tokens=16))
    async with agent.run_stream("What is O-RAN?") as answer:
        pieces = [piece async for piece in answer.stream_text(delta=True, debounce_by=None)]
    assert len(pieces) > 1, pieces
    assert answer.usage.output_tokens > 1, answer.usage
    print("streamed")


async def calls() -> None:
    """The agent's tool is called, its result is read, and the output is a call that validates."""
    agent = Agent(model, output_type=Report, tools=[read_load], model_settings=settings, retries=0)
    done = await agent.run("Read the load of cell C12, then report it.")
    assert isinstance(done.output, Report), done.output
    parts = [part for message in done.all_messages() for part in message.parts]
    kinds = {type(part).__name__ for part in parts}
    assert "ToolCallPart" in kinds, kinds
    assert asked, parts
    print("called")


asyncio.run(streams())
asyncio.run(calls())
