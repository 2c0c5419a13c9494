"""`genai-xapp replay`: repeats a recorded request and compares the answers."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import click

from xapp.cli.node import Node, node_options
from xapp.cli.options import Duration
from xapp.cli.record import Record, Recorder
from xapp.cli.say import say
from xapp.client import ClientError
from xapp.inference.v1 import inference_pb2 as pb

EXIT_DIFFERENT = 1
EXIT_OTHER_NODE = 2
EXIT_FAILED = 3
SHOWN_CHARS = 40
_COMPARED = ("model_digest", "build", "task", "prompt_hash")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@node_options
@click.option("--deadline", type=Duration(), metavar="30s", help="Give up after this long.")
def replay(file: Path, node: Node, deadline: float | None) -> None:
    """Run the request of FILE again, which `generate` or `tasks run` wrote with --record, and compare.

    It runs as a deterministic request, and so were answers recorded unless --no-deterministic was given:
    float noise, which depends on what else the node does, has no part in either then.

    Inputs of a task are sent as if they were measured now: their age has no part in the answer.

    Exit code 0: the same. 1: another answer, and where it begins to differ. 2: another model, build or
    prompt, whatever the answer. 3: there was nothing to compare: FILE is no record, or the request failed.
    """
    recorded, now = _both(file, node, deadline)
    changed = _changed(recorded.provenance, now.provenance)
    for line in changed:
        say(line)
    say(_verdict(recorded.text, now.text))
    if recorded.text != now.text and not recorded.request.deterministic:
        say("it was recorded with --no-deterministic: float noise may be all of the difference")
    if changed:
        raise SystemExit(EXIT_OTHER_NODE)
    if recorded.text != now.text:
        raise SystemExit(EXIT_DIFFERENT)


def _both(file: Path, node: Node, deadline: float | None) -> tuple[Record, Record]:
    """What was recorded, and what the node answers now. Exits with EXIT_FAILED without one of them."""
    try:
        recorded = Record.read(file)
        return recorded, asyncio.run(_run(recorded.request, node, deadline))
    except ClientError as error:
        said = str(error)
    except click.ClickException as error:
        said = error.message
    say(said, err=True)
    raise SystemExit(EXIT_FAILED)


async def _run(recorded: pb.GenerateRequest, node: Node, deadline: float | None) -> Record:
    request = pb.GenerateRequest()
    request.CopyFrom(recorded)
    request.deterministic = True
    if request.HasField("input_timestamp"):
        request.input_timestamp.GetCurrentTime()
    recorder = Recorder(request)
    async with (
        node.client() as client,
        aclosing(client.generate_request(request, deadline_s=deadline)) as events,
    ):
        async for event in events:
            recorder.follow(event)
    return recorder.record


def _changed(then: pb.Provenance, now: pb.Provenance) -> list[str]:
    pairs = {name: (getattr(then, name), getattr(now, name)) for name in _COMPARED}
    return [
        f"other {name}: recorded {old or 'none'}, now {new or 'none'}"
        for name, (old, new) in pairs.items()
        if old != new
    ]


def _verdict(then: str, now: str) -> str:
    if then == now:
        return f"same: {len(now)} characters"
    at = next(
        (i for i, (a, b) in enumerate(zip(then, now, strict=False)) if a != b), min(len(then), len(now))
    )
    return (
        f"different from character {at + 1}: recorded {then[at : at + SHOWN_CHARS]!r},"
        f" now {now[at : at + SHOWN_CHARS]!r}"
    )
