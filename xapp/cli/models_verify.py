"""`genai-xapp models verify`: checks model files against their records."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from xapp.cli.models_options import folder_option, json_option
from xapp.cli.progress import TerminalProgress
from xapp.models.parts import total_bytes
from xapp.models.store import ModelFile, local_models, resolve
from xapp.models.verify import Check
from xapp.models.verify import verify as verify_model


@click.command(short_help="Check files against their recorded sha256.")
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
    if not all(check.good for check in checks):
        raise click.exceptions.Exit(1)


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
