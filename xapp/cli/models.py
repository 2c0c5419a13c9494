"""`genai-xapp models`: lists, fetches, checks and removes models.

All commands work with the base package alone, except `pull` from the hub and `optimize`, which need the
server extra.
"""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from xapp.cli.group import NearGroup
from xapp.cli.models_loaded import load, unload
from xapp.cli.models_optimize import optimize
from xapp.cli.models_options import folder_option, json_option
from xapp.cli.models_view import (
    NO_COLOUR_WIDTH,
    Row,
    TerminalProgress,
    kind_note,
    rows,
    size_text,
    table,
)
from xapp.errors import ModelError, XappError
from xapp.models.bring import bring
from xapp.models.catalogue import KvType, catalogue
from xapp.models.digest import sidecar
from xapp.models.landing import Pulled, leftovers
from xapp.models.parts import all_parts, total_bytes
from xapp.models.pull import pull as pull_model
from xapp.models.store import ModelFile, local_models, resolve
from xapp.models.verify import Check
from xapp.models.verify import verify as verify_model


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


@models.command(short_help="Fetch models of the catalogue or of the hub.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@folder_option
@json_option
@click.option("--revision", help="Branch, tag or commit of the hub's repository. Default: its main branch.")
def pull(names: tuple[str, ...], folder: Path, as_json: bool, revision: str | None) -> None:
    """Fetch models: a NAME of the catalogue, or hf:OWNER/REPOSITORY/FILE.gguf.

    The file is checked against the sha256 that the hub states before it appears in the folder. A
    pull that was cut off goes on where it stopped. A file that is there already and has the sha256 that
    the catalogue knows is taken over without the hub. For a gated model accept the licence on its page
    and set HF_TOKEN. HF_ENDPOINT names another hub, a mirror for instance.
    """

    def pull_one(name: str, progress: TerminalProgress) -> Pulled:
        return pull_model(name, folder, revision=revision, progress=progress)

    _bring_each(names, pull_one, "pulled", "fetched and checked", as_json=as_json)


@models.command("import", short_help="Bring GGUF files of this machine into the folder.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@folder_option
@json_option
@click.option("--link", is_flag=True, help="No copy: a second name (hard link) on the same disk.")
def import_files(files: tuple[str, ...], folder: Path, as_json: bool, link: bool) -> None:
    """Copy GGUF files into the folder of models, without a network.

    Each is checked, and recorded with its sha256 and where it came from. One that the catalogue knows by
    its sha256 gets the catalogue's name. Of a model in several parts name the first. --link saves the
    room of a copy; what is written to the file later changes the model as well.
    """

    def import_one(name: str, progress: TerminalProgress) -> Pulled:
        return bring(Path(name).expanduser(), folder, link=link, progress=progress)

    _bring_each(files, import_one, "imported", "imported and checked", as_json=as_json)


def _bring_each(
    names: tuple[str, ...],
    bring_one: Callable[[str, TerminalProgress], Pulled],
    key: str,
    how: str,
    *,
    as_json: bool,
) -> None:
    """Brings each file, also after a failure. Exit code 1 if one failed."""
    landed, failures = [], []
    for name in names:
        try:
            with TerminalProgress(name) as progress:
                done = bring_one(name, progress)
        except XappError as error:
            failures.append({"name": name, "reason": error.reason, "error": error.message})
            click.echo(f"Error: {error.message}", err=True)
        else:
            landed.append(done)
            _tell_landed(done, how, quiet=as_json)
    if as_json:
        click.echo(json.dumps({key: [_landed_json(each) for each in landed], "failed": failures}, indent=2))
    _exit_if(failures)


def _tell_landed(done: Pulled, how: str, *, quiet: bool) -> None:
    for note in (*done.notes, kind_note(done.model.entry)):
        if note:
            click.echo(f"Note: {note}", err=True)
    if not quiet:
        how = "is there already" if done.was_there else how
        click.echo(f"{done.model.name} {how}: {done.model.path} ({size_text(done.record.size)})")


def _landed_json(done: Pulled) -> dict[str, Any]:
    return {
        "name": done.model.name,
        "path": str(done.model.path),
        "digest": done.record.digest,
        "size_bytes": done.record.size,
        "source": done.record.source,
        "revision": done.record.revision or None,
        "was_there": done.was_there,
        "notes": list(done.notes),
    }


@models.command(short_help="Check files against their recorded sha256.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@folder_option
@json_option
def verify(names: tuple[str, ...], folder: Path, as_json: bool) -> None:
    """Read model files again and compare with the sha256 recorded when they were pulled.

    Without a NAME: all of the folder. A file without a record is checked for structure alone.
    Exit code 1 if one is broken or differs.
    """
    checks = [_verify_one(model) for model in _chosen(names, folder)]
    if as_json:
        click.echo(json.dumps({"models": [_check_json(check) for check in checks]}, indent=2))
    else:
        for check in checks:
            click.echo(f"{check.verdict.value:<11} {check.model.name}: {check.detail}")
    if not checks:
        click.echo(f"no models in {folder}", err=True)
    _exit_if([check for check in checks if not check.good])


def _chosen(names: Iterable[str], folder: Path) -> list[ModelFile]:
    return [resolve(name, folder) for name in names] or local_models(folder)


def _verify_one(model: ModelFile) -> Check:
    size = total_bytes(model.path)
    with TerminalProgress(model.name) as progress:
        return verify_model(model, lambda done: progress.update("checking", done, size))


def _check_json(check: Check) -> dict[str, Any]:
    return {
        "name": check.model.name,
        "path": str(check.model.path),
        "verdict": check.verdict.value,
        "detail": check.detail,
        "digest": check.digest or None,
    }


@models.command(short_help="Remove a model file.")
@click.argument("name")
@folder_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(name: str, folder: Path, yes: bool) -> None:
    """Remove a model file of the folder, with its record and what an unfinished pull has left.

    A server that has the model loaded keeps serving it until it is restarted.
    """
    doomed = _files_of(name, folder)
    total = sum(path.stat().st_size for path in doomed)
    if not yes:
        click.confirm(f"Remove {doomed[0]} ({size_text(total)})?", abort=True)
    for path in doomed:
        _unlink(path)
    click.echo(f"removed {doomed[0]}, {size_text(total)} freed")


def _files_of(name: str, folder: Path) -> list[Path]:
    """The files of names in the folder. A path elsewhere is refused."""
    entry = catalogue().get(name)
    if entry and (found := _files_with(folder / entry.local_file, unfinished=True)):
        return found
    return _files_with(resolve(name, folder, allow_path=False).path)


def _files_with(path: Path, *, unfinished: bool = False) -> list[Path]:
    """All present parts with their records, and the remains of an unfinished pull. With `unfinished`, none
    unless there are such remains.
    """
    parts = all_parts(path)
    left = [left for part in parts for left in leftovers(part) if left.is_file()]
    if unfinished and not left:
        return []
    return [p for part in parts for p in _with_record(part) if p.exists()] + left


def _with_record(path: Path) -> list[Path]:
    return [path, sidecar(path)]


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(f"cannot remove {path}: {error.strerror}") from error


for each in (optimize, load, unload):
    models.add_command(each)


def _exit_if(failures: list[Any]) -> None:
    if failures:
        raise click.exceptions.Exit(1)
