"""`genai-xapp models pull` and `import`: bring model files into the folder."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from xapp.cli.exit_codes import EXIT_CONFIG
from xapp.cli.models_options import folder_option, json_option
from xapp.cli.progress import TerminalProgress
from xapp.cli.say import say
from xapp.cli.sizes import size_text
from xapp.errors import XappError
from xapp.models.bring import bring
from xapp.models.catalogue import Entry, Kind
from xapp.models.landing import Pulled
from xapp.models.pull import pull as pull_model
from xapp.models.store import resolve


@click.command(short_help="Fetch models of the catalogue or of the hub.")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@folder_option
@json_option
@click.option("--revision", help="Branch, tag or commit of the hub's repository. Default: its main branch.")
@click.option(
    "--configured", is_flag=True, help="Also the models that `serve` would load and that are not here yet."
)
def pull(names: tuple[str, ...], folder: Path, as_json: bool, revision: str | None, configured: bool) -> None:
    """Fetch models: a NAME of the catalogue, or hf:OWNER/REPOSITORY/FILE.gguf.

    The file is checked against the sha256 that the hub states before it appears in the folder. A
    pull that was cut off goes on where it stopped. A file that is there already and has the sha256 that
    the catalogue knows is taken over without the hub. For a gated model accept the licence on its page
    and set HF_TOKEN. HF_ENDPOINT names another hub, a mirror for instance.

    Exit code 1: a model was not fetched. 2: with --configured, a setting is wrong.
    """
    if not names and not configured:
        raise click.UsageError("name a model, or give --configured")
    if configured:
        names = (*names, *_configured(folder))

    def pull_one(name: str, progress: TerminalProgress) -> Pulled:
        return pull_model(name, folder, revision=revision, progress=progress)

    _bring_each(names, pull_one, "pulled", "fetched and checked", as_json=as_json)


@click.command("import", short_help="Bring GGUF files of this machine into the folder.")
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


def _configured(folder: Path) -> list[str]:
    """The models of the settings that are not on this machine. Wrong settings end as in `serve`."""
    # Imported here: settings need the server extra.
    from xapp.config import load_settings  # noqa: PLC0415
    from xapp.served.configured_models import wanted_models  # noqa: PLC0415

    try:
        return [name for name in wanted_models(load_settings(os.environ)) if not _is_here(name, folder)]
    except XappError as error:
        say(f"genai-xapp: {error.message}", err=True)
        raise click.exceptions.Exit(EXIT_CONFIG) from error


def _is_here(name: str, folder: Path) -> bool:
    try:
        resolve(name, folder)
    except XappError as error:
        if error.reason != "MODEL_NOT_PULLED":
            raise
        return False
    return True


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
    if failures:
        raise click.exceptions.Exit(1)


def _tell_landed(done: Pulled, how: str, *, quiet: bool) -> None:
    for note in (*done.notes, _kind_note(done.model.entry)):
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


def _kind_note(entry: Entry | None) -> str:
    """What to do with a pulled model that does not generate."""
    if entry is None or entry.kind.model_kind.generates:
        return ""
    word, verb = ("an embedding model", "embed") if entry.kind is Kind.EMBEDDING else ("a reranker", "rerank")
    return f"{entry.name} is {word}: load it beside a language model, and ask it with genai-xapp {verb}"
