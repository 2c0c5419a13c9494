"""`genai-xapp models`: lists, fetches, checks and removes models.

All commands work with the base package alone, except `pull` from the hub and `optimize`, which need the
server extra.
"""

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from xapp.cli.group import NearGroup
from xapp.cli.models_bring import import_files, pull
from xapp.cli.models_loaded import load, unload
from xapp.cli.models_optimize import optimize
from xapp.cli.models_options import folder_option, json_option
from xapp.cli.models_rm import rm
from xapp.cli.models_rows import Row, rows
from xapp.cli.models_verify import verify
from xapp.cli.models_view import NO_COLOUR_WIDTH, table
from xapp.errors import XappError
from xapp.models.catalogue import KvType


class _Group(NearGroup):
    """Prints an XappError as a message, with exit code 1 and without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except XappError as error:
            raise click.ClickException(error.message) from error


@click.group(cls=_Group)
def models() -> None:
    """See, fetch, check and remove model files (GGUF).

    \b
      genai-xapp models list                       what there is, and the RAM each one needs
      genai-xapp models pull qwen2.5-0.5b          fetch a model of the catalogue
      genai-xapp models pull hf:OWNER/REPO/F.gguf  any other GGUF file of the hub
      genai-xapp serve --model qwen2.5-0.5b        serve it
      genai-xapp models optimize qwen2.5-0.5b      find a format that is faster here

    \b
      genai-xapp models load qwen2.5-0.5b          have a node that runs serve it as well

    A GGUF file that you have already needs no pull: `models import` it, or give `serve` its path.
    """  # noqa: D301  click wants the backspace itself: it keeps the lines


@models.command("list", short_help="Models on this node and in the catalogue, with RAM.")
@folder_option
@json_option
@click.option(
    "--context",
    type=click.IntRange(min=1),
    default=4096,
    show_default=True,
    help="Tokens of KV cache to count in RAM. All requests that run at once share them.",
)
@click.option(
    "--kv-type",
    type=click.Choice([kind.value for kind in KvType]),
    default=KvType.F16.value,
    show_default=True,
    help="Element type of the KV cache; q8_0 takes about half.",
)
@click.option("--all", "everything", is_flag=True, help="Embedding models and rerankers as well.")
def list_models(folder: Path, as_json: bool, context: int, kv_type: str, everything: bool) -> None:
    """Models on this node, then those of the catalogue that can be pulled.

    RAM is computed: the file, plus the KV cache at --context tokens. An empty cell is a fact that
    could not be confirmed.
    """
    shown = rows(folder, context=context, kv_type=KvType(kv_type), everything=everything)
    if as_json:
        click.echo(json.dumps({"models_dir": str(folder), "models": [r.as_json() for r in shown]}, indent=2))
        return
    console = Console(width=None if sys.stdout.isatty() else NO_COLOUR_WIDTH)
    console.print(table(shown, context, KvType(kv_type)))
    for row in shown:
        _tell_fault(row)


def _tell_fault(row: Row) -> None:
    if row.fault:
        click.echo(row.fault, err=True)


for each in (pull, import_files, verify, rm, optimize, load, unload):
    models.add_command(each)
