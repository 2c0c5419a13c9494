"""`genai-xapp tasks`: lists a node's tasks, checks task files, runs a task."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import click

from xapp.cli.group import NearGroup
from xapp.cli.node import Node, node_options
from xapp.cli.options import Duration, deterministic_option, json_line, json_option
from xapp.cli.passages import Sources, passage_options, retrieval_of, taken
from xapp.cli.record import Recorder, record_option
from xapp.cli.say import say, shown
from xapp.cli.standard_input import read_stdin
from xapp.client import Client, TaskCall, input_fields, task
from xapp.inference.v1 import inference_pb2 as pb
from xapp.text_file import without_mark


@click.group(cls=NearGroup)
def tasks() -> None:
    """See a node's tasks, check task files, run a task."""


@tasks.command("list")
@node_options
@json_option
def list_tasks(node: Node, as_json: bool) -> None:
    """The tasks of a node, every version: what each needs and answers."""
    for each in asyncio.run(_list(node)):
        say(json_line(each) if as_json else _line(each))


async def _list(node: Node) -> list[pb.Task]:
    async with node.client() as client:
        return await client.list_tasks()


def _line(each: pb.Task) -> str:
    inputs = ", ".join(f"{i.name}: {i.type}{'?' if i.optional else ''}" for i in each.inputs)
    return f"{each.name}@{each.version}  {each.kind}({inputs})\n    {each.description}"


@tasks.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
def check(files: Sequence[Path]) -> None:
    """Say whether task FILES are good, as a server's start would. Asks no node.

    Exit code 0: all are. 1: the first that is not, with its key.
    """
    # Imported here, since the other commands need the base package only.
    from xapp.tasks.folder import read_files, read_tasks  # noqa: PLC0415
    from xapp.tasks.task_set import TaskSet  # noqa: PLC0415

    found = read_tasks(read_files(sorted(files)))
    TaskSet(found)
    say("\n".join(f"{each.source}: {each.label} is good" for each in found))


@tasks.command()
@click.argument("name")
@node_options
@click.option(
    "--inputs",
    default="{}",
    metavar="JSON",
    help="The task's inputs, a JSON object; - reads it.",
    show_default=True,
)
@click.option(
    "--measured-at", type=float, metavar="SECONDS", help="When, in seconds since 1970. Default: now."
)
@click.option("--model", default="", help="A served model's name. Default: the task's.")
@click.option(
    "--deadline", type=Duration(), metavar="30s", help="Give up after this long. Default: the task's."
)
@deterministic_option
@passage_options
@record_option
@json_option
def run(
    name: str,
    node: Node,
    *,
    inputs: str,
    measured_at: float | None,
    model: str,
    deadline: float | None,
    deterministic: bool | None,
    record: Path | None,
    as_json: bool,
    collection: str,
    **passages: Any,
) -> None:
    """Run task NAME, or NAME@VERSION: its answer, or each choice with its probability.

    \b
      genai-xapp tasks run log-line-class --inputs '{"line": "fan 2 stopped"}'
      genai-xapp tasks run alarm-summary --inputs - --record answer.json < alarms.json
    """  # noqa: D301  click reads \b as a backspace
    call = task(name, _inputs(inputs), measured_at=time.time() if measured_at is None else measured_at)
    request = pb.GenerateRequest(
        model=model,
        deterministic=record is not None if deterministic is None else deterministic,
        retrieval=retrieval_of(collection, taken(passages)),
        **_fields(call),
    )
    recorder = asyncio.run(_run(node, call, request, deadline, recording=record is not None, as_json=as_json))
    if record is not None:
        recorder.record.write(record)


def _inputs(text: str) -> dict[str, Any]:
    try:
        value = json.loads(read_stdin() if text == "-" else without_mark(text))
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"--inputs: is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise click.UsageError("--inputs: must be a JSON object")
    return value


def _fields(call: TaskCall) -> dict[str, Any]:
    try:
        return input_fields(call)
    except ValueError as error:
        raise click.UsageError(f"--{str(error).replace('_', '-', 1)}") from error


async def _run(
    node: Node,
    call: TaskCall,
    request: pb.GenerateRequest,
    deadline: float | None,
    *,
    recording: bool,
    as_json: bool,
) -> Recorder:
    recorder = Recorder(request)
    async with node.client() as client:
        bare_name = call.name.partition("@")[0]
        kinds = {each.name: each.kind for each in await client.list_tasks()}
        # An unknown task is sent to Generate too: the node's error names the known tasks.
        if kinds.get(bare_name) != "score":
            await _show_answer(client, request, deadline, recorder, as_json=as_json)
        elif recording:
            raise click.UsageError(f"--record: {call.name} scores its choices, and only answers are recorded")
        else:
            _show_score(await client.score(call, model=request.model, deadline_s=deadline), as_json=as_json)
    return recorder


def _show_score(response: pb.ScoreResponse, *, as_json: bool) -> None:
    if as_json:
        say(json_line(response))
        return
    for each in sorted(response.choices, key=lambda each: -each.probability):
        say(f"{each.probability:7.1%}  {each.choice}")
    say(f"abstains: margin {response.margin:.3f}" if response.abstained else _winner(response))


def _winner(response: pb.ScoreResponse) -> str:
    margin = f"a margin of {response.margin:.3f}"
    if not 0 <= response.winner < len(response.choices):
        return f"choice {response.winner}, which the node does not list, by {margin}"
    return f"{response.choices[response.winner].choice}, by {margin}"


async def _show_answer(
    client: Client,
    request: pb.GenerateRequest,
    deadline: float | None,
    recorder: Recorder,
    *,
    as_json: bool,
) -> None:
    sources = Sources()
    async with aclosing(client.generate_request(request, deadline_s=deadline)) as events:
        async for event in events:
            recorder.follow(event)
            sources.follow(event)
            if as_json:
                say(json_line(event))
            elif event.HasField("chunk"):
                click.echo(shown(event.chunk.text), nl=False)
    if not as_json:
        click.echo()
        for line in sources.lines():
            say(line, err=True)
