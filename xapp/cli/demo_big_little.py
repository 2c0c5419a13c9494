"""`genai-xapp demo-big-little`: two nodes on this machine, one question, answered in every way."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from xapp.cli.count import Count
from xapp.cli.demo import DEFAULT_MODEL, step
from xapp.cli.own_server import OwnServer, own_server
from xapp.cli.say import say, shown
from xapp.client import Client, user
from xapp.inference.v1 import inference_pb2 as pb
from xapp.models.paths import models_dir

QUESTION = "In one sentence: what is the capital of France, and what is it known for?"
_TIMEOUT_S = 60.0
_WAYS = {
    "little alone": None,
    "big alone": None,
    "verified": pb.DecodingStrategy(verified=pb.VerifiedDecoding()),
    "big-little": pb.DecodingStrategy(big_little=pb.BigLittleDecoding()),
    "guided": pb.DecodingStrategy(guided=pb.GuidedDecoding(num_guidance_tokens=8)),
}


@click.command()
@click.option("--little", default=DEFAULT_MODEL, show_default=True, help="The edge node's model.")
@click.option(
    "--big",
    default="",
    help="The big node's model, with the same vocabulary. Default: a copy of the little model in 8 bits.",
)
@click.option("--question", default=QUESTION, show_default=True, help="What to ask.")
@click.option("--max-tokens", type=Count(), default=48, show_default=True)
def demo_big_little(little: str, big: str, question: str, max_tokens: int) -> None:
    """Two nodes on this machine: one question is answered little-only, verified, corrected and guided.

    The default pair shows how it works, not what it gains: both models are of one size. A real pair, where
    its files are here:

    \b
      genai-xapp demo-big-little --little qwen2.5-coder-0.5b-instruct-q4_k_m \\
        --big qwen2.5-coder-1.5b-instruct-q4_k_m
    """  # noqa: D301  click reads \b as a backspace
    with _big_model(little, big) as big_model:
        step(f"big node: genai-xapp serve --model {big_model}")
        with own_server(big_model) as far:
            step(f"little node: XAPP_BIG_TARGET={far.target} genai-xapp serve --model {little}")
            settings = {"XAPP_BIG_TARGET": far.target, "XAPP_BIG_TIMEOUT_S": str(_TIMEOUT_S)}
            with own_server(little, settings) as near:
                asyncio.run(_ask_all(far, near, question, max_tokens))
                near.stop()
            far.stop()


@contextmanager
def _big_model(little: str, big: str) -> Iterator[str]:
    """The model of the big node: the given model, or a copy of the little model in 8 bits."""
    if big:
        yield big
        return
    from xapp.backend.optimize import jobs  # noqa: PLC0415  the server extra
    from xapp.backend.optimize.process import ask  # noqa: PLC0415
    from xapp.models.formats import FORMATS  # noqa: PLC0415
    from xapp.models.store import resolve  # noqa: PLC0415

    source = resolve(little, models_dir(os.environ)).path
    file_type, threads = FORMATS["Q8_0"].file_type, os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{source.stem}.Q8_0.gguf"
        step(f"a copy of {source.name} in 8 bits stands for the big model")
        ask(jobs.Quantize(str(source), file_type, str(target), threads, ""), jobs.Bytes)
        yield str(target)


async def _ask_all(far: OwnServer, near: OwnServer, question: str, max_tokens: int) -> None:
    """Waits for both nodes, and asks in every way."""
    async with Client(far.target) as big, Client(near.target) as little:
        await far.until_serving(big)
        await near.until_serving(little)
        step(f"the question: {question}")
        for way, strategy in _WAYS.items():
            await _ask(big if way == "big alone" else little, way, strategy, question, max_tokens)


async def _ask(
    client: Client, way: str, strategy: pb.DecodingStrategy | None, question: str, max_tokens: int
) -> None:
    text, begun = "", time.monotonic()
    async for event in client.generate([user(question)], max_tokens=max_tokens, strategy=strategy):
        text += event.chunk.text
        if event.HasField("finished"):
            seconds = time.monotonic() - begun
            say(f"  {way}: {shown(' '.join(text.split()))}")
            say(f"    {_figures(event.finished, seconds)}")


def _figures(finished: pb.Finished, seconds: float) -> str:
    count, made = finished.usage.num_completion_tokens, finished.speculation
    figures = [f"{count} tokens in {seconds:.2f} s"]
    if made.num_drafted_tokens:
        figures.append(f"{made.num_accepted_tokens} of {made.num_drafted_tokens} drafts accepted")
    if made.num_big_passes:
        passes, num_bytes = made.num_big_passes, made.num_bytes_sent + made.num_bytes_received
        figures.append(
            f"{passes / max(1, count):.2f} big passes and {num_bytes / max(1, count):.0f} bytes a token"
        )
        figures.append(f"{made.num_fallbacks} fallbacks, {made.num_rollbacks} rollbacks")
    if made.answered_by:
        figures.append(f"answered by {made.answered_by}")
    return " · ".join(figures)
