"""A network function's way to a genai-xapp node, in Python: answers whole, cancelled, late, cut, tried again.

    python stream.py --target 127.0.0.1:50051 "What is O-RAN?"

Needs the base package: `pip install .` in the project's folder brings neither llama.cpp nor a server.
"""

import argparse
import asyncio
import sys
from contextlib import aclosing
from typing import Any

from xapp.client import Client, ClientError, Retry, system, user
from xapp.inference.v1 import inference_pb2 as pb


async def stream(client: Client, question: str) -> None:
    """Text as it comes, and what the node says at the end."""
    messages = [system("Answer in one short sentence."), user(question)]
    async for event in client.generate(messages, max_tokens=48, deadline_s=60):
        if event.HasField("chunk"):
            print(event.chunk.text, end="", flush=True)
        elif event.HasField("finished"):
            usage = event.finished.usage
            print(f"\n[{usage.num_completion_tokens} tokens, prompt {usage.num_prompt_tokens}]")


async def cancel(client: Client, question: str) -> None:
    """Leaving the block cancels the request; its slot on the node is free by the next step."""
    num_pieces = 0
    async with aclosing(client.stream_text([user(question)], max_tokens=256)) as pieces:
        async for _ in pieces:
            num_pieces += 1
            if num_pieces == 3:
                break
    print(f"[cancelled after {num_pieces} pieces]")


async def deadline(client: Client, question: str) -> None:
    """A node refuses at once what it cannot answer in time, unless a part of the answer is enough."""
    try:
        await _text(client, question, deadline_s=0.5)
    except ClientError as error:
        if not error.reason.startswith("DEADLINE_") and error.code != "DEADLINE_EXCEEDED":
            raise
        print(f"[deadline: {error.code}, 2000 tokens do not fit into 0.5 s]")
    else:
        print("[deadline: finished in time]")


async def best_effort(client: Client, question: str) -> None:
    """The answer is cut so that its end arrives before the deadline."""
    part = await _text(client, question, deadline_s=2, deadline_policy=pb.DEADLINE_POLICY_BEST_EFFORT)
    print(f"[best effort: {len(part)} characters within 2 s]")


async def _text(client: Client, question: str, **options: Any) -> str:
    """An answer of 2,000 tokens, whatever the model would end with."""
    pieces = client.stream_text([user(question)], max_tokens=2000, ignore_eos=True, **options)
    return "".join([piece async for piece in pieces])


async def retry(target: str, question: str) -> None:
    """UNAVAILABLE (a node that loads, drains or restarts) is tried again, as patiently as we say."""
    patient = Retry(attempts=10, first_delay_s=0.5, max_delay_s=5)
    async with Client(target, retry=patient) as client:
        answer = [piece async for piece in client.stream_text([user(question)], max_tokens=8, deadline_s=60)]
    print(f"[retry: {''.join(answer)!r}]")


async def main() -> int:
    """All five. Exit code 1 and `code: message` when the node refuses."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", default="127.0.0.1:50051")
    parser.add_argument("question", nargs="?", default="What is O-RAN?")
    arguments = parser.parse_args()
    try:
        async with Client(arguments.target) as client:
            await stream(client, arguments.question)
            await cancel(client, arguments.question)
            await deadline(client, arguments.question)
            await best_effort(client, arguments.question)
        await retry(arguments.target, arguments.question)
    except ClientError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
