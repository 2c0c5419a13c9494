"""`genai-xapp models rm`: removes a model file."""

from pathlib import Path

import click

from xapp.cli.models_options import folder_option
from xapp.cli.sizes import size_text
from xapp.errors import ModelError
from xapp.models.catalogue import catalogue
from xapp.models.digest import sidecar
from xapp.models.landing import leftovers
from xapp.models.parts import all_parts
from xapp.models.store import resolve


@click.command(short_help="Remove a model file.")
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
