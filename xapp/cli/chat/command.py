"""The command `genai-xapp chat`."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from xapp.cli.chat.commands import Leave, run_command
from xapp.cli.chat.conversation import Conversation
from xapp.cli.chat.dialogue import Dialogue
from xapp.cli.node import Node, node_options
from xapp.cli.options import Duration, model_option, system_option
from xapp.cli.say import say
from xapp.client import ClientError
from xapp.text_file import read_stdin

_F = TypeVar("_F", bound=Callable[..., Any])


def chat_options(command: _F) -> _F:
    """--system, --max-tokens, --temperature, --deadline and --stats."""
    options = (
        system_option,
        click.option("--max-tokens", type=click.IntRange(min=1), help="Most tokens of an answer."),
        click.option("--temperature", type=float, help="0 (default) is greedy; higher is more varied."),
        click.option("--deadline", type=Duration(), metavar="30s", help="Give up an answer after this long."),
        click.option("--stats", is_flag=True, help="Time to first token and tokens/s after each answer."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@node_options
@model_option
@chat_options
def chat(
    node: Node,
    *,
    model: str,
    system_text: str | None,
    max_tokens: int | None,
    temperature: float | None,
    deadline: float | None,
    stats: bool,
) -> None:
    """Talk with a node: it remembers what was said.

    Enter sends, Alt-Enter begins a new line, Ctrl-C stops an answer, Ctrl-D ends. /help lists the commands:
    system text, model, tasks, save, figures. What is piped in is one question.

    \b
      genai-xapp chat --system "Answer in one sentence."
      echo "What is O-RAN?" | genai-xapp chat
    """  # noqa: D301  click reads \b as a backspace
    conversation = Conversation(model, system_text or "", max_tokens, temperature)
    asyncio.run(converse(node, conversation, deadline_s=deadline, stats=stats))


async def converse(
    node: Node, conversation: Conversation, *, deadline_s: float | None = None, stats: bool = False
) -> None:
    """Talks on a terminal until the person leaves. Over a pipe: one question; raises ClientError."""
    async with node.client() as client:
        dialogue = Dialogue(client, conversation, deadline_s=deadline_s, stats=stats)
        if sys.stdin.isatty():
            await _talk(dialogue)
        elif question := read_stdin().strip():
            await dialogue.ask(question)
        else:
            raise click.UsageError("standard input is empty: pipe a question in")


async def _talk(dialogue: Dialogue) -> None:
    # Imported here: a pipe needs no terminal.
    from xapp.cli.chat.reader import Reader  # noqa: PLC0415

    reader = Reader()
    say("Ctrl-D ends, /help lists the commands.", err=True)
    while True:
        try:
            await _turn(dialogue, (await reader.read()).strip())
        except KeyboardInterrupt:
            say("Ctrl-D ends.", err=True)
        except (EOFError, Leave):
            return
        except ClientError as error:
            say(str(error), err=True)


async def _turn(dialogue: Dialogue, line: str) -> None:
    if line.startswith("/"):
        await run_command(dialogue, line)
    elif line:
        await dialogue.ask(line)
