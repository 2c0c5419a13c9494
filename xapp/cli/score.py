"""`genai-xapp score`: how likely each of several continuations is."""

import asyncio

import click

from xapp.cli.options import Duration, json_line, json_option, read_prompt, target_option
from xapp.client import Client, system, user
from xapp.inference.v1 import inference_pb2 as pb

EXIT_ABSTAINED = 3


@click.command()
@click.argument("prompt", required=False)
@target_option
@click.option(
    "--choice",
    "choices",
    multiple=True,
    required=True,
    metavar="TEXT",
    help="A continuation, 1 to 256 of them. With --raw, begin it with the space that the text needs.",
)
@click.option("--model", default="", help="A served model's name. Default: the node's own.")
@click.option(
    "--chat/--raw",
    default=True,
    help="Choices are the assistant's answer (default), or continue the text as it is.",
)
@click.option("--system", "system_text", metavar="TEXT", help="A system message before the prompt.")
@click.option("--normalize", is_flag=True, help="Compare by log-probability a token, not of the whole.")
@click.option("--min-margin", type=float, help="Abstain when the winner leads by less, 0 to 1.")
@click.option("--tokens", is_flag=True, help="Show each choice's tokens.")
@click.option(
    "--priority",
    type=click.Choice(["critical", "interactive", "batch"]),
    default="interactive",
    show_default=True,
    help="The class in which the request waits for a slot; critical goes first.",
)
@click.option("--correlation-id", default="", help="Names the request in the node's logs.")
@click.option(
    "--deadline", type=Duration(), metavar="30s", help="Give up after this long. Default: the server's limit."
)
@json_option
def score(
    prompt: str | None,
    target: str,
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
      genai-xapp score "Is 7 prime?" --choice Yes --choice No
      genai-xapp score --raw "Severity of a fan failure:" --choice " low" --choice " high" --min-margin 0.2

    Exit code 0: there is a winner. 3: it abstains. 1: an error.
    """  # noqa: D301  click reads \b as a backspace
    if system_text is not None and not chat:
        raise click.UsageError("--system needs the chat template: leave out --raw")
    request = pb.ScoreRequest(
        model=model,
        choices=choices,
        normalize_by_length=normalize,
        min_margin=min_margin,
        include_tokens=tokens,
        priority=pb.Priority.Value(f"PRIORITY_{priority.upper()}"),
        correlation_id=correlation_id,
    )
    text = read_prompt(prompt)
    if chat:
        request.chat.messages.extend(
            [user(text)] if system_text is None else [system(system_text), user(text)]
        )
    else:
        request.prompt = text
    response = asyncio.run(_score(target, request, deadline))
    click.echo(json_line(response) if as_json else _table(response))
    if response.abstained:
        raise SystemExit(EXIT_ABSTAINED)


async def _score(target: str, request: pb.ScoreRequest, deadline: float | None) -> pb.ScoreResponse:
    async with Client(target) as client:
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
