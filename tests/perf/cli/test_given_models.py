"""The models that a mode is given: those that are here are measured, the others are named."""

from pathlib import Path

import click
import pytest

from perf.cli.given_models import here
from xapp.errors import XappError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder with two files, of which `b` is the node's own."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.gguf").write_bytes(b"GGUF" + name.encode())
    monkeypatch.setenv("XAPP_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("XAPP_MODEL", "b")
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_nodes_own_model_is_first() -> None:
    assert [model.name for model in here(["a", "b"])] == ["b", "a"]
    assert [model.name for model in here([])] == ["b"]


def test_a_model_that_is_not_here_is_named_and_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = folder / "c.gguf"
    assert [model.name for model in here([str(missing), str(folder / "a.gguf")])] == ["a"]
    assert capsys.readouterr().err == f"skipped: {missing} does not exist\n"


@pytest.mark.usefixtures("folder")
def test_none_here_is_an_error_and_the_same_twice_too() -> None:
    with pytest.raises(XappError, match="'c'"):
        here(["c"])
    with pytest.raises(click.UsageError, match="twice"):
        here(["a", "a.gguf"])
