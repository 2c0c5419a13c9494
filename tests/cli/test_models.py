import json
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from tests.models.gguf_file import LLAMA, gguf_bytes
from tests.models.hub_stand_in import StandIn, serving
from xapp.cli import models_bring, models_rm
from xapp.cli.models import models
from xapp.cli.progress import TerminalProgress
from xapp.errors import ModelError
from xapp.models.digest import hash_file, sidecar, write_record
from xapp.models.pull import pull

CONTENT = gguf_bytes()
NAME = "hf:owner/tiny-GGUF/tiny.gguf"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XAPP_MODELS_DIR", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with serving(StandIn(files={"owner/tiny-GGUF/tiny.gguf": CONTENT})) as stand_in:
        monkeypatch.setattr(
            models_bring,
            "pull_model",
            lambda name, folder, **more: pull(name, folder, endpoint=stand_in.endpoint, **more),
        )
        yield stand_in


def run(*arguments: str, stdin: str = "") -> Result:
    result = CliRunner().invoke(models, arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def listed(*arguments: str) -> dict[str, dict[str, Any]]:
    result = run("list", "--json", *arguments)
    assert result.exit_code == 0
    return {model["name"]: model for model in json.loads(result.stdout)["models"]}


def test_the_models_of_the_settings_are_fetched_and_those_that_are_here_ask_nobody(
    folder: Path, hub: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = folder / "own.gguf"
    own.write_bytes(CONTENT)
    (tmp_path / "settings.toml").write_text(
        f'[node]\nmodel = "own"\nmodels = "{own}"\n[models.own]\ndraft = "{NAME}"\n'
    )
    monkeypatch.setenv("XAPP_CONFIG_FILE", str(tmp_path / "settings.toml"))
    result = run("pull", "--configured")
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["tiny"]
    monkeypatch.setenv("XAPP_MODEL", str(own))
    (tmp_path / "settings.toml").write_text("")
    num_asked = len(hub.log)
    assert run("pull", "--configured").output == ""
    assert len(hub.log) == num_asked


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("XAPP_MODEL", "/nowhere/own.gguf"),
        ("XAPP_MODEL", "no-such-model"),
        ("XAPP_MODEL", "hf:owner/tiny.gguf"),
        ("XAPP_GRPC_PORT", "many"),
    ],
)
def test_a_wrong_setting_is_named_with_an_exit_code_of_its_own(
    folder: Path, hub: StandIn, monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    monkeypatch.setenv(key, value)
    result = run("pull", "--configured")
    assert result.exit_code == 2
    assert value in result.stderr
    assert not hub.log


def test_a_pull_of_nothing_is_wrong_usage(folder: Path) -> None:
    assert "--configured" in run("pull").stderr


def test_list_computes_ram(folder: Path) -> None:
    model = listed("--context", "8192")["llama-3-8b"]
    assert model["memory_bytes"] == 4_920_733_888 + 8192 * 131_072
    assert model["downloaded"] is False
    quarter = listed("--context", "8192", "--kv-type", "q8_0")["llama-3-8b"]
    assert quarter["memory_bytes"] == 4_920_733_888 + 8192 * 69_632


def test_list_counts_no_more_than_the_models_own_context(folder: Path) -> None:
    assert listed("--context", "100000")["llama-2-7b-chat"]["memory_context_length"] == 4096


def test_list_knows_own_files_by_their_header(folder: Path) -> None:
    (folder / "own.gguf").write_bytes(CONTENT)
    model = listed("--context", "1000")["own"]
    assert model["memory_bytes"] == len(CONTENT) + 1000 * 4 * 2 * 32 * 2 * 2
    assert (model["in_catalogue"], model["license"], model["context_length"]) == (False, "apache-2.0", 2048)


def test_list_leaves_unknown_facts_null(folder: Path) -> None:
    model = listed()["gemma-2b"]
    assert (model["size_bytes"], model["license"], model["memory_bytes"]) == (None, None, None)


def test_list_has_models_of_vectors(folder: Path) -> None:
    assert listed()["nomic-embed-text-v1.5"]["kind"] == "embedding"


def test_list_for_people(folder: Path) -> None:
    (folder / "own.gguf").write_bytes(CONTENT)
    (folder / "cut.gguf").write_bytes(CONTENT[:-1])
    result = run("list")
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line}
    assert "here" in lines["own"]
    assert "broken" in lines["cut"]
    assert "5.46 GB" not in lines["llama-2-7b-chat"]
    assert "Llama 3 Community" in lines["llama-3-8b"]
    assert "cut.gguf is truncated" in result.stderr


def test_pull_and_pull_again(folder: Path, hub: StandIn) -> None:
    result = run("pull", NAME)
    assert (result.exit_code, result.stdout.split(":")[0]) == (0, "tiny fetched and checked")
    again = run("pull", NAME, "--json")
    (pulled,) = json.loads(again.stdout)["pulled"]
    assert pulled["was_there"]
    assert pulled["digest"] == hash_file(folder / "tiny.gguf")


def test_pull_goes_on_after_a_failure_and_reports_it(folder: Path, hub: StandIn) -> None:
    result = run("pull", "gpt-9", "hf:owner/tiny-GGUF/absent.gguf", NAME, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert [failed["reason"] for failed in report["failed"]] == ["MODEL_NOT_FOUND", "NOT_ON_HUB"]
    assert [pulled["name"] for pulled in report["pulled"]] == ["tiny"]
    assert "no model 'gpt-9'" in result.stderr


def test_pull_without_the_server_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.delitem(sys.modules, "xapp.models.hub", raising=False)
    monkeypatch.delitem(sys.modules, "xapp.models.hub_stream", raising=False)
    monkeypatch.delattr("xapp.models.hub", raising=False)
    result = run("pull", NAME)
    assert result.exit_code == 1
    assert "pip install '.[server]'" in result.stderr


def test_verify(folder: Path) -> None:
    path = folder / "own.gguf"
    path.write_bytes(CONTENT)
    write_record(path, hash_file(path), NAME)
    assert "ok          own: as recorded from" in run("verify").stdout
    path.write_bytes(CONTENT[:-1] + b"?")
    result = run("verify", "own", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["models"][0]["verdict"] == "differs"


def test_verify_nothing_and_unknown(folder: Path) -> None:
    assert "no models in" in run("verify").stderr
    result = run("verify", "gpt-9")
    assert (result.exit_code, "no model 'gpt-9'" in result.stderr) == (1, True)


def test_rm_takes_all_that_belongs_to_it(folder: Path) -> None:
    path = folder / "own.gguf"
    path.write_bytes(CONTENT)
    write_record(path, hash_file(path), NAME)
    assert run("rm", "own", stdin="n\n").exit_code == 1
    assert path.exists()
    assert run("rm", "own", "--yes").exit_code == 0
    assert list(folder.iterdir()) == []


def test_rm_of_an_unfinished_pull(folder: Path) -> None:
    (folder / ".qwen2.5-0.5b-instruct-q4_k_m.gguf.0123.partial").write_bytes(b"x")
    assert run("rm", "qwen2.5-0.5b", "--yes").exit_code == 0
    assert list(folder.iterdir()) == []
    result = run("rm", "qwen2.5-0.5b", "--yes")
    assert (result.exit_code, "is not on this node" in result.stderr) == (1, True)


def test_a_model_in_parts_is_listed_and_removed_whole(folder: Path) -> None:
    names = [f"big-{number:05d}-of-00002.gguf" for number in (1, 2)]
    for name in names:
        (folder / name).write_bytes(CONTENT)
        write_record(folder / name, hash_file(folder / name), "hf:o/r/f")
    row = listed()["big"]
    assert (row["size_bytes"], row["error"]) == (2 * len(CONTENT), None)
    assert run("verify", "big").exit_code == 0
    (folder / names[1]).unlink()
    assert names[1] in listed()["big"]["error"]
    assert run("verify", "big").exit_code == 1
    assert run("rm", "big", "--yes").exit_code == 0
    assert not list(folder.glob("*big-*"))


def test_rm_never_leaves_the_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(CONTENT)
    assert run("rm", str(tmp_path / "mine.gguf"), "--yes").exit_code == 1
    assert (tmp_path / "mine.gguf").exists()


def test_folder_by_option(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "own.gguf").write_bytes(gguf_bytes(LLAMA | {"general.name": "Other"}))
    assert "own" in listed("--models-dir", str(tmp_path / "other"))
    assert "own" not in listed()


def test_folder_of_the_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.gguf").write_bytes(CONTENT)
    file = tmp_path / "settings.toml"
    file.write_text(f'models_dir = "{tmp_path}"\n')
    monkeypatch.delenv("XAPP_MODELS_DIR", raising=False)
    monkeypatch.setenv("XAPP_CONFIG_FILE", str(file))
    assert listed()["own"]["path"] == str(tmp_path / "own.gguf")
    file.write_text("models_dir =")
    assert "XAPP_CONFIG_FILE" in run("list").stderr


@pytest.mark.parametrize("command", [[], ["list"], ["pull"], ["verify"], ["optimize"], ["rm"]])
def test_help(command: list[str]) -> None:
    assert "Usage:" in run(*command, "--help").stdout


def test_help_keeps_its_examples_on_lines() -> None:
    lines = [line.split() for line in run("--help").stdout.splitlines()]
    assert ["genai-xapp", "serve", "--model", "qwen2.5-0.5b", "serve", "it"] in lines


def test_progress_off_a_terminal_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("xapp.cli.progress.time.monotonic", lambda: now[0])
    with TerminalProgress("m") as progress:
        progress.update("fetching", 1_000_000, 4_000_000)
        now[0] += 6
        progress.update("fetching", 2_000_000, 4_000_000)
        progress.update("fetching", 3_000_000, 4_000_000)
        progress.say("dropped")
    assert capsys.readouterr().err == "m: fetching 2 MB of 4 MB (50%)\ndropped\n"


def test_progress_on_a_terminal_is_a_bar() -> None:
    sink = StringIO()
    with TerminalProgress("m", Console(file=sink, force_terminal=True, width=100)) as progress:
        progress.update("fetching", 1, 2)
        progress.update("checking", 2, 2)
        progress.say("a [b] c")
    assert "m: fetching" in sink.getvalue()
    assert "m: checking" in sink.getvalue()
    assert "a [b] c" in sink.getvalue()


def test_files_that_cannot_be_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "own.gguf").write_bytes(CONTENT)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ModelError, match=r"cannot remove .*own.gguf: Permission denied"):
        models_rm._unlink(folder / "own.gguf")
    assert not sidecar(folder / "own.gguf").exists()


def test_import_brings_a_file_and_says_so(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "mine.gguf"
    source.write_bytes(CONTENT)
    result = run("import", str(source), "--link")
    assert result.exit_code == 0
    assert f"mine imported and checked: {folder / 'mine.gguf'}" in result.stdout
    assert (folder / "mine.gguf").samefile(source)
    again = json.loads(run("import", str(source), "--json").stdout)
    assert (again["failed"], again["imported"][0]["was_there"]) == ([], True)
    assert again["imported"][0]["source"] == f"file:{source}"


def test_import_names_a_file_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    result = run("import", str(tmp_path / "absent.gguf"))
    assert (result.exit_code, "absent.gguf is not a .gguf file" in result.stderr) == (1, True)
