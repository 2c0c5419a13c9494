"""What a line that begins with / does: a table of commands."""

import asyncio
import json
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xapp.cli.chat.conversation import Conversation
from xapp.cli.chat.dialogue import Dialogue
from xapp.client import input_fields, task
from xapp.inference.v1 import inference_pb2 as pb
from xapp.near import did_you_mean

_Run = Callable[[Dialogue, str], Awaitable[None]]
_NO_TURNS = "nothing was said yet"


class Leave(Exception):
    """The conversation is over."""


@dataclass(frozen=True, slots=True)
class Command:
    """`usage` is what follows the name. `run` gets the text that was written there."""

    usage: str
    help: str
    run: _Run


async def _help(dialogue: Dialogue, _: str) -> None:
    width = max(len(f"/{name} {each.usage}") for name, each in COMMANDS.items())
    for name, each in COMMANDS.items():
        dialogue.say(f"{f'/{name} {each.usage}':<{width}}  {each.help}")
    dialogue.say("Alt-Enter begins a new line; Ctrl-C stops an answer; Ctrl-D ends.")


async def _system(dialogue: Dialogue, text: str) -> None:
    dialogue.conversation.system_text = text
    dialogue.say("the system text is set" if text else "there is no system text")


async def _model(dialogue: Dialogue, name: str) -> None:
    models = await dialogue.models()
    if not name:
        for each in models:
            dialogue.say(each + ("  (in use)" if each == dialogue.conversation.model else ""))
    elif name in models:
        dialogue.conversation.model = name
        dialogue.say(f"{name} answers from now on")
    else:
        dialogue.say(f"no model {name!r} is loaded on this node{did_you_mean(name, set(models))}")


async def _task(dialogue: Dialogue, text: str) -> None:
    if not text:
        for each in await dialogue.tasks():
            needed = " ".join(f"{one.name}={one.type}" for one in each.inputs if not one.optional)
            dialogue.say(f"{each.name}@{each.version} {needed}\n    {each.description}")
        return
    try:
        name, *given = shlex.split(text)
        fields = input_fields(task(name, dict(_input(each) for each in given)))
    except ValueError as error:
        dialogue.say(f"/task: {error}")
        return
    await dialogue.ask_once(pb.GenerateRequest(**fields))


def _input(text: str) -> tuple[str, Any]:
    """`name=value`; a value that is JSON is taken as JSON, any other as text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"{text!r} is no input: write name=value")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


async def _save(dialogue: Dialogue, text: str) -> None:
    if not text:
        dialogue.say("/save needs the name of a file; *.json gets JSON, any other name Markdown")
    elif not dialogue.conversation.turns:
        dialogue.say(_NO_TURNS)
    else:
        dialogue.say(await asyncio.to_thread(_write, dialogue.conversation, text))


def _write(conversation: Conversation, name: str) -> str:
    """What to say of the attempt."""
    try:
        path = Path(name).expanduser()
        conversation.save(path)
    except (OSError, RuntimeError, ValueError) as error:
        return f"{name}: {getattr(error, 'strerror', None) or error}"
    return f"saved in {path}"


async def _stats(dialogue: Dialogue, _: str) -> None:
    dialogue.say(dialogue.last_watch.summary() if dialogue.last_watch else _NO_TURNS)


async def _new(dialogue: Dialogue, _: str) -> None:
    dialogue.conversation.forget()
    dialogue.say("the conversation begins anew")


async def _exit(_: Dialogue, __: str) -> None:
    raise Leave


COMMANDS = {
    "help": Command("", "List the commands.", _help),
    "system": Command("[TEXT]", "Set the system text; without TEXT there is none.", _system),
    "model": Command("[NAME]", "Choose the model; without NAME list those that are loaded.", _model),
    "task": Command("[NAME key=value …]", "Run a task of the node; without NAME list the tasks.", _task),
    "save": Command("FILE", "Write the conversation to a file.", _save),
    "stats": Command("", "Show time to first token and tokens/s of the last answer.", _stats),
    "new": Command("", "Forget what was said.", _new),
    "exit": Command("", "End the program.", _exit),
}


async def run_command(dialogue: Dialogue, line: str) -> None:
    """Runs `/name rest`. Raises Leave, ClientError."""
    name, _, rest = line.removeprefix("/").partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        known = {f"/{each}" for each in COMMANDS}
        dialogue.say(f"no command /{name}{did_you_mean(f'/{name}', known)}; /help lists them")
        return
    await command.run(dialogue, rest.strip())
