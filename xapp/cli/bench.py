"""`genai-xapp bench`: measures a node. Each mode is imported when it is used."""

import importlib
from typing import Any

import click

from xapp.cli.group import NearGroup
from xapp.extras import how_to_add

_COMMANDS = {
    "paper": "Dialogues turn by turn: speed, memory and energy of each model.",
    "accuracy": "Share of questions a model answers right, with its interval.",
    "load": "Latency and throughput against concurrency or rate of arrivals.",
    "compare": "The same work on this server and its peers, interleaved.",
    "engine": "The engine against bare llama.cpp and the memory's bandwidth.",
    "serving": "Speed and memory of serving against their bars.",
    "promises": "Deadlines, priorities and predictions against their bars.",
    "embedding": "Vectors against bare llama.cpp, and answers beside them.",
    "retrieval": "The cost of a search, crashes, and how well passages are found.",
    "pool": "Several nodes behind one target against their bars.",
    "shards": "A model over helpers, against one process.",
    "speculation": "What drafts gain, cost, and where answers part.",
    "big-little": "A little and a big model over a line, against both alone.",
    "routing": "Signals that say what a little model should leave to a big one.",
    "lengths": "Predicted lengths of answers: rank, error, and what an order by them is worth.",
    "speech": "Word errors, speed and first audio of speech against their bars.",
    "predict": "Speed of the catalogue's models on a Raspberry Pi, from public figures.",
    "quant": "One model in several formats: memory, speed and quality.",
    "report": "One page with tables and pictures from result files.",
    "diff": "What got slower between two result files.",
}


class _Group(NearGroup):
    """Imports a mode on use. A missing package is an error in one line, with exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        try:
            module = importlib.import_module(f"perf.cli.bench_{name}")
        except ModuleNotFoundError as error:
            raise _missing_extra(error) from error
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            raise _missing_extra(error) from error


def _missing_extra(error: ModuleNotFoundError) -> Exception:
    if (error.name or "").split(".")[0] in {"xapp", "perf"}:
        return error
    how = how_to_add("server,bench")
    return click.ClickException(
        f"this command needs the server and bench extras: {how} (no module {error.name})"
    )


@click.group(cls=_Group)
def bench() -> None:
    """Measure what a node can do, and draw it.

    \b
      genai-xapp bench paper --model smollm2-135m-q4_1 --limit 2   a short run of the paper's experiment
      genai-xapp bench load --target 192.0.2.7:50051               a node that is serving
      genai-xapp bench report bench-results --out report           one page from all result files
      genai-xapp bench diff before.json after.json                 what got slower

    Without --target a mode starts a server of its own on the loopback interface, and stops it.
    A run that was interrupted goes on where it stopped when the same command is given again.
    """  # noqa: D301  click reads \b as a backspace
