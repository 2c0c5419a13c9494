"""`genai-xapp estimate`: the predicted times of an answer, and whether the node would admit it."""

import asyncio

import click

from xapp.cli.count import Count
from xapp.cli.node import Node, node_options
from xapp.cli.options import (
    Duration,
    gap_option,
    json_line,
    json_option,
    model_option,
    priority_of,
    priority_option,
    read_prompt,
    strategy_of,
    strategy_option,
)
from xapp.cli.say import say
from xapp.client import user
from xapp.inference.v1 import inference_pb2 as pb


@click.command()
@click.argument("prompt", required=False)
@node_options
@model_option
@click.option("--chat/--raw", default=True, help="Apply the model's chat template (default), or not.")
@click.option("--max-tokens", type=Count(), help="As for `generate`.")
@priority_option("The class that the request would have.")
@click.option("--deadline", type=Duration(), metavar="30s", help="The deadline that it would have.")
@gap_option
@strategy_option
@json_option
def estimate(
    prompt: str | None,
    node: Node,
    *,
    model: str,
    chat: bool,
    max_tokens: int | None,
    priority: str,
    deadline: float | None,
    max_token_gap: float | None,
    strategy: str | None,
    as_json: bool,
) -> None:
    """Predict what `generate` would take for PROMPT (- or nothing: standard input). Runs nothing.

    Exit code 0: it would be admitted. 3: it would be refused now. 1: an error.
    """
    options: dict[str, object] = {
        "model": model,
        "max_tokens": max_tokens,
        "priority": priority_of(priority),
        "deadline_s": deadline,
        "max_token_gap_s": max_token_gap,
        "strategy": strategy_of(strategy),
    }
    response = asyncio.run(_estimate(node, read_prompt(prompt), options, chat=chat))
    say(json_line(response) if as_json else _table(response))
    if not response.admitted:
        raise SystemExit(3)


async def _estimate(node: Node, text: str, options: dict[str, object], *, chat: bool) -> pb.EstimateResponse:
    async with node.client() as client:
        return await client.estimate([user(text)] if chat else text, **options)  # type: ignore[arg-type]


def _table(response: pb.EstimateResponse) -> str:
    rows = (
        ("queue", response.queue),
        ("first token", response.time_to_first_token),
        ("completion", response.completion),
    )
    lines = [f"prompt {response.num_prompt_tokens} tokens, answer about {response.num_completion_tokens}"]
    lines += [f"{name:<12} p50 {_seconds(row.p50)}  p95 {_seconds(row.p95)}" for name, row in rows]
    return "\n".join([*lines, _verdict(response)])


def _seconds(duration: object) -> str:
    return f"{duration.ToNanoseconds() / 1e9:8.3f} s"  # type: ignore[attr-defined]


def _verdict(response: pb.EstimateResponse) -> str:
    if response.admitted:
        return "would be admitted"
    after = response.retry_after.ToNanoseconds() / 1e9
    again = f", try again in {after:.1f} s" if after else ""
    return f"would be refused: {response.reason}{again}"
