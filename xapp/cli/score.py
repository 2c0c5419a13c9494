"""`genai-xapp score`: the likelihood of each of several continuations."""

import asyncio

import click

from xapp.cli.choices import choice_options
from xapp.cli.node import Node, node_options
from xapp.cli.options import (
    json_line,
    json_option,
    model_option,
    priority_of,
    read_input,
    system_option,
    waiting_options,
)
from xapp.cli.say import say
from xapp.inference.v1 import inference_pb2 as pb

EXIT_ABSTAINED = 3


@click.command()
@click.argument("prompt", required=False)
@node_options
@choice_options("A continuation, 1 to 256 in all. With --raw, begin it with the space that the text needs.")
@model_option
@click.option(
    "--chat/--raw",
    default=True,
    help="Choices are the assistant's answer (default), or continue the text as it is.",
)
@system_option
@click.option("--normalize", is_flag=True, help="Compare by log-probability a token, not of the whole.")
@click.option("--min-margin", type=float, help="Abstain when the winner leads by less, 0 to 1.")
@click.option("--tokens", is_flag=True, help="Show each choice's tokens.")
@waiting_options
@json_option
def score(
    prompt: str | None,
    node: Node,
    *,
    choices: tuple[str, ...],
    model: str,
    chat: bool,
    system_text: str | None,
    normalize: bool,
    min_margin: float | None,
    tokens: bool,
    priority: str,
    correlation_id: str,
    deadline: float | None,
    as_json: bool,
) -> None:
    """Tell how likely each --choice is after PROMPT (- or nothing: standard input).

    \b
      genai-xapp score "Is 7 prime?" --choices Yes,No
      genai-xapp score --raw "Severity of a fan failure:" --choice " low" --choice " high" --min-margin 0.2

    Exit code 0: there is a winner. 3: it abstains. 1: an error.
    """  # noqa: D301  click reads \b as a backspace
    if not choices:
        raise click.UsageError("give the continuations: --choice A --choice B, or --choices A,B")
    request = pb.ScoreRequest(
        model=model,
        choices=choices,
        normalize_by_length=normalize,
        min_margin=min_margin,
        include_tokens=tokens,
        priority=priority_of(priority),
        correlation_id=correlation_id,
        **read_input(prompt, system_text, chat=chat),
    )
    response = asyncio.run(_score(node, request, deadline))
    say(json_line(response) if as_json else _table(response))
    if response.abstained:
        raise SystemExit(EXIT_ABSTAINED)


async def _score(node: Node, request: pb.ScoreRequest, deadline: float | None) -> pb.ScoreResponse:
    async with node.client() as client:
        return await client.score_request(request, deadline_s=deadline)


def _table(response: pb.ScoreResponse) -> str:
    lines = []
    for index, choice in enumerate(response.choices):
        mark = "▸" if response.HasField("winner") and response.winner == index else " "
        lines.append(f"{mark} {choice.probability:8.4f}  ln p {choice.log_probability:9.4f}  {choice.choice}")
        lines += [_token(each) for each in choice.tokens]
    end = "abstains" if response.abstained else "leads"
    return "\n".join([*lines, f"{end}: margin {response.margin:.4f}"])


def _token(token: pb.TokenLogProbability) -> str:
    return f"{'':12}ln p {token.log_probability:9.4f}  {token.text.decode(errors='replace')!r}"
