"""What `genai-xapp doctor` finds out about helpers, and what their memory changes."""

from pathlib import Path

import pytest

from tests.backend.rpc.fake_helper import GB, answering, helper, saying
from tests.models.gguf_file import gguf_bytes
from xapp.cli.doctor import model
from xapp.cli.doctor.finding import Level
from xapp.cli.doctor.helpers import check_helpers
from xapp.config import Settings, load_settings


def settings(**environ: object) -> Settings:
    return load_settings({key: str(value) for key, value in environ.items()})


def large(folder: Path) -> dict[str, object]:
    """A model whose KV cache takes some 200 MB."""
    (folder / "m.gguf").write_bytes(gguf_bytes())
    return {"XAPP_MODELS_DIR": folder, "XAPP_MODEL": "m", "XAPP_KV_CELLS": 200_000}


def test_without_helpers() -> None:
    found = check_helpers(settings())
    assert (found.level, found.text) == (Level.OK, "none are named")


def test_a_helper_that_answers_has_its_room_and_its_distance() -> None:
    with helper(answering(free=GB)) as host:
        found = check_helpers(settings(XAPP_RPC_HOSTS=host))
    assert found.level is Level.OK
    assert f"{host} has room for 896 MiB" in found.text
    assert "ms away" in found.text


def test_a_helper_that_does_not_answer() -> None:
    with helper(answering()) as host:
        found = check_helpers(settings(XAPP_RPC_HOSTS=f"{host},127.0.0.1:1"))
    assert found.level is Level.WARN
    assert "127.0.0.1:1" in found.text
    assert "rpc-serve" in found.advice


def test_a_helper_of_another_build() -> None:
    with helper(answering(version=(9, 9, 9))) as host:
        assert check_helpers(settings(XAPP_RPC_HOSTS=host)).level is Level.FAIL
    with helper(saying(b"HTTP/1.1 400 Bad Request\r\n")) as host:
        assert check_helpers(settings(XAPP_RPC_HOSTS=host)).level is Level.FAIL


def test_helpers_of_a_models_own_table(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    with helper(answering(version=(9, 9, 9))) as host:
        file.write_text(f'[models.large]\nrpc_hosts = "{host}"\n')
        assert check_helpers(settings(XAPP_CONFIG_FILE=file)).level is Level.FAIL


@pytest.mark.parametrize(("limit_mb", "level"), [("", Level.OK), ("64", Level.FAIL)])
def test_the_limit_of_memory_counts(limit_mb: str, level: Level, tmp_path: Path) -> None:
    limit = {"XAPP_MEMORY_LIMIT_MB": limit_mb} if limit_mb else {}
    found = model.check_memory(settings(**large(tmp_path), **limit))
    assert found.level is level, found.text


def test_memory_of_helpers_counts(tmp_path: Path) -> None:
    with helper(answering(free=GB)) as host:
        found = model.check_memory(settings(**large(tmp_path), XAPP_MEMORY_LIMIT_MB=64, XAPP_RPC_HOSTS=host))
    assert found.level is Level.OK, found.text
    assert "896 MiB of them at helpers" in found.text
