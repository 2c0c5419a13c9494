"""The models that a mode is given: names of the catalogue or paths, each with its digest."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from xapp.config import load_settings
from xapp.errors import XappError
from xapp.models.parts import model_digest
from xapp.models.store import resolve

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class GivenModel:
    """A model as it was given, what it is called in results, and the sha256 of its file."""

    given: str
    name: str
    digest: str


def models_option(command: _F) -> _F:
    """`models: tuple[str, ...]`: for `local_models`, or names on a target."""
    return click.option(
        "--model",
        "models",
        multiple=True,
        metavar="NAME|PATH",
        help="A model of the catalogue, or a GGUF file; may be given several times. Default: the node's.",
    )(command)


def here(given: Sequence[str]) -> list[GivenModel]:
    """Those whose file is on this node, the node's own first; the others are named on standard error.

    Raises UsageError for one given twice, XappError when none is there.
    """
    settings = load_settings(os.environ)
    found, absent = [], []
    for each in sorted(given or (settings.node.model,), key=lambda name: name != settings.node.model):
        try:
            found.append(_local(each, Path(settings.node.models_dir)))
        except XappError as error:
            absent.append(error)
            click.echo(f"skipped: {error}", err=True)
    if not found:
        raise absent[0]
    if len({each.name for each in found}) < len(found):
        raise click.UsageError("--model: the same model twice")
    return found


def local_models(given: Sequence[str]) -> list[GivenModel]:
    """Their files on this node; the default model when none is given.

    Raises UsageError for one given twice, XappError for one that is not there.
    """
    settings = load_settings(os.environ)
    found = [_local(each, Path(settings.node.models_dir)) for each in given or (settings.node.model,)]
    if len({each.name for each in found}) < len(found):
        raise click.UsageError("--model: the same model twice")
    return found


def _local(given: str, models_dir: Path) -> GivenModel:
    file = resolve(given, models_dir)
    return GivenModel(given, file.name, model_digest(file.path))
