"""The command `genai-xapp chat`."""

import asyncio
import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from xapp.cli.chat.commands import Leave, run_command
from xapp.cli.chat.conversation import Conversation
from xapp.cli.chat.dialogue import Dialogue
from xapp.cli.count import Count
from xapp.cli.node import Node, node_options
from xapp.cli.options import Duration, model_option, system_option
from xapp.cli.say import say
from xapp.cli.standard_input import read_stdin
from xapp.client import ClientError

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Talk:
    """How a conversation is held. `deadline_s` holds for each answer. `stats`: figures follow an answer."""

    system_text: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    deadline_s: float | None = None
    stats: bool = False

    async def hold(self, node: Node, model: str) -> None:
        """Talks on a terminal until the person leaves. Over a pipe: one question; raises ClientError."""
        conversation = Conversation(model, self.system_text, self.max_tokens, self.temperature)
        async with node.client() as client:
            dialogue = Dialogue(client, conversation, deadline_s=self.deadline_s, stats=self.stats)
            if sys.stdin.isatty():
                await _talk(dialogue)
            elif question := read_stdin().strip():
                await dialogue.ask(question)
            else:
                raise click.UsageError("standard input is empty: pipe a question in")


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    system_option,
    click.option("--max-tokens", type=Count(), help="Most tokens of an answer."),
    click.option("--temperature", type=float, help="0 (default) is greedy; higher is more varied."),
    click.option("--deadline", type=Duration(), metavar="30s", help="Give up an answer after this long."),
    click.option("--stats", is_flag=True, help="Time to first token and tokens/s after each answer."),
)


def talk_options(command: _F) -> _F:
    """`talk`: --system, --max-tokens, --temperature, --deadline and --stats."""

    @functools.wraps(command)
    def with_talk(
        *,
        system_text: str | None,
        max_tokens: int | None,
        temperature: float | None,
        deadline: float | None,
        stats: bool,
        **others: Any,
    ) -> Any:
        talk = Talk(system_text or "", max_tokens, temperature, deadline, stats)
        return command(talk=talk, **others)

    wrapped: Any = with_talk
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    done: _F = wrapped
    return done


@click.command()
@node_options
@model_option
@talk_options
def chat(node: Node, *, model: str, talk: Talk) -> None:
    """Talk with a node: it remembers what was said.

    Enter sends, Alt-Enter begins a new line, Ctrl-C stops an answer, Ctrl-D ends. /help lists the commands:
    system text, model, tasks, save, figures. What is piped in is one question.

    \b
      genai-xapp chat --system "Answer in one sentence."
      echo "What is O-RAN?" | genai-xapp chat
    """  # noqa: D301  click reads \b as a backspace
    asyncio.run(talk.hold(node, model))


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
