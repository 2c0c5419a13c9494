"""Options that the commands of `models` share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from xapp.models.paths import MODELS_DIR_KEY, models_dir
from xapp.settings_file import FILE_KEY

_F = TypeVar("_F", bound=Callable[..., Any])


def folder_option(command: _F) -> _F:
    """`folder`: the folder of model files."""

    def chosen(_: click.Context, __: click.Parameter, value: Path | None) -> Path:
        return value.expanduser() if value else models_dir(os.environ)

    return click.option(
        "--models-dir",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        callback=chosen,
        help=f"Folder of the model files. Default: {MODELS_DIR_KEY}, else models_dir of the file that"
        f" {FILE_KEY} names, else ~/.cache/genai-xapp/models.",
    )(command)


def json_option(command: _F) -> _F:
    """`as_json`: output for scripts."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document, for scripts.")(command)
