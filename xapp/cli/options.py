"""Options that several commands share."""

import re
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
from google.protobuf import json_format
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from xapp.cli.standard_input import read_stdin
from xapp.client import system, user
from xapp.inference.v1 import inference_pb2 as pb
from xapp.visible import visible, visible_json

_F = TypeVar("_F", bound=Callable[..., Any])
_MOST_S = 366 * 86_400.0
"""gRPC itself takes no deadline of any length: 1e15 s passed at once."""
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in stubs only
    """`30s`, `500ms`, `2m`, or a number of seconds; in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, more than 0."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", str(value))
        if match is None or float(match[1]) == 0:
            self.fail(f"{value!r} is no duration: write 500ms, 30s or 2m", param, ctx)
        seconds = float(match[1]) * _UNITS[match[2]]
        if seconds > _MOST_S:
            self.fail(f"{str(value)[:32]!r} is more than a year", param, ctx)
        return seconds


def model_option(command: _F) -> _F:
    """The name of the model."""
    return click.option("--model", default="", help="A served model's name. Default: the node's own.")(
        command
    )


def system_option(command: _F) -> _F:
    """`system_text`, as `read_input` explains."""
    return click.option(
        "--system", "system_text", metavar="TEXT", help="A system message before the prompt."
    )(command)


def priority_option(help_text: str) -> Callable[[_F], _F]:
    """The class, as `priority_of` explains."""
    return click.option(
        "--priority",
        type=click.Choice(["critical", "interactive", "batch"]),
        default="interactive",
        show_default=True,
        help=help_text,
    )


def waiting_options(command: _F) -> _F:
    """`priority`, `correlation_id` and `deadline` of a request that will run, in this order."""
    priority = priority_option("The class in which the request waits for a slot; critical goes first.")
    correlation_id = click.option(
        "--correlation-id", default="", help="Names the request in the node's logs."
    )
    deadline = click.option(
        "--deadline",
        type=Duration(),
        metavar="30s",
        help="Give up after this long. Default: the server's limit.",
    )
    return priority(correlation_id(deadline(command)))


def gap_option(command: _F) -> _F:
    """`max_token_gap`, seconds."""
    return click.option(
        "--max-token-gap",
        type=Duration(),
        metavar="150ms",
        help="Plan no longer gap between two tokens, whatever prompts of others come.",
    )(command)


STRATEGIES = {
    "plain": pb.DecodingStrategy(plain=pb.PlainDecoding()),
    "ngram": pb.DecodingStrategy(ngram=pb.NgramSpeculation()),
    "draft": pb.DecodingStrategy(draft=pb.DraftSpeculation()),
    "auto": pb.DecodingStrategy(auto=pb.AutoDecoding()),
    "verified": pb.DecodingStrategy(verified=pb.VerifiedDecoding()),
    "big-little": pb.DecodingStrategy(big_little=pb.BigLittleDecoding()),
    "guided": pb.DecodingStrategy(guided=pb.GuidedDecoding()),
}


def strategy_option(command: _F) -> _F:
    """`strategy`: a name for `strategy_of`; None where nothing was said."""
    return click.option(
        "--strategy",
        type=click.Choice([*STRATEGIES]),
        help="How to decode: a token a step, several where guesses pay, or with the node's big model."
        " Default: the model's setting.",
    )(command)


def strategy_of(name: str | None) -> pb.DecodingStrategy | None:
    """The strategy on the wire."""
    return STRATEGIES[name] if name else None


def deterministic_option(command: _F) -> _F:
    """`deterministic`; None without the option."""
    return click.option(
        "--deterministic/--no-deterministic",
        default=None,
        help="Compute it so that it can be repeated bit for bit: slower. Default with --record.",
    )(command)


def priority_of(name: str) -> "pb.Priority.ValueType":
    """The value of `--priority` on the wire."""
    return pb.Priority.Value(f"PRIORITY_{name.upper()}")


def json_option(command: _F) -> _F:
    """`as_json`: output for scripts."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for scripts.")(
        command
    )


def json_line(message: Message) -> str:
    """The message in protobuf's JSON mapping, zeros and empty texts included."""
    try:
        line: str = MessageToJson(
            message, indent=None, ensure_ascii=False, always_print_fields_with_no_presence=True
        )
    except (json_format.Error, ValueError) as error:
        text = f"the node sent what JSON has no room for: {visible(str(error))}"
        raise click.ClickException(text) from error
    return visible_json(line)


def read_prompt(prompt: str | None) -> str:
    """The prompt: the argument, or standard input for `-` and for a missing argument with a pipe."""
    if prompt is not None and prompt != "-":
        return prompt
    if prompt is None and sys.stdin.isatty():
        raise click.UsageError("give a PROMPT, or - to read it from standard input")
    return read_stdin()


def read_input(prompt: str | None, system_text: str | None, *, chat: bool) -> dict[str, Any]:
    """The field `chat` or `prompt` of a request, from PROMPT, --system and --chat/--raw."""
    if system_text is not None and not chat:
        raise click.UsageError("--system needs the chat template: leave out --raw")
    text = read_prompt(prompt)
    if not chat:
        return {"prompt": text}
    turns = [user(text)] if system_text is None else [system(system_text), user(text)]
    return {"chat": pb.Chat(messages=turns)}
