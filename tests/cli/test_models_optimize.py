import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.backend.optimize.stand_in import SOURCE, StandIn, install
from xapp.cli.models import models
from xapp.errors import ModelError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XAPP_MODELS_DIR", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m.gguf").write_bytes(SOURCE)
    return tmp_path / "models"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    return install(monkeypatch)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(models, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_table_has_a_row_for_each_format(folder: Path, stand_in: StandIn) -> None:
    result = run("optimize", "m", "--format", "Q8_0", "--format", "Q4_0")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[1][:2] == ["Q4_1", "(source)"]
    assert rows[1][4:8] == ["100", "10", "40", "80"]
    assert rows[2][3:7] == ["200", "20", "80", "160"]
    assert "+0.1% ± 0.0% 100.0%" in " ".join(rows[2])
    assert result.stdout.splitlines()[-1].startswith("best: Q8_0, 2.00 times as fast")
    assert "round 3 of 3: Q4_0" in result.stderr


def test_a_source_that_stays_is_said(folder: Path, stand_in: StandIn) -> None:
    result = run("optimize", "m", "--max-loss", "0.05")
    assert "best: the source; no format that loses at most 0.05 % is clearly faster" in result.stdout


def test_a_format_that_failed_is_named(folder: Path, stand_in: StandIn) -> None:
    stand_in.faults["Speed", "Q8_0"] = ModelError("m.gguf: the child process (speed) was ended by SIGILL")
    result = run("optimize", "m", "--format", "Q8_0")
    assert result.exit_code == 0
    assert "Q8_0: m.gguf: the child process (speed) was ended by SIGILL" in result.stderr


def test_a_written_format_is_a_model_of_the_folder(folder: Path, stand_in: StandIn) -> None:
    result = run("optimize", "m", "--write", "best")
    assert "m.Q8_0 written and checked" in result.stdout
    assert "genai-xapp serve --model m.Q8_0" in result.stdout
    assert "ok          m.Q8_0: as recorded from Q8_0 of m.gguf (sha256:" in run("verify").stdout
    rows = {each["name"]: each for each in json.loads(run("list", "--json").stdout)["models"]}
    assert rows["m.Q8_0"]["source"].startswith("Q8_0 of m.gguf (sha256:")
    assert rows["m"]["source"] is None
    assert "is there already" in run("optimize", "m", "--rounds", "0", "--write", "Q8_0").stdout
    assert run("rm", "m.Q8_0", "--yes").exit_code == 0
    assert [path.name for path in folder.iterdir()] == ["m.gguf"]


def test_json(folder: Path, stand_in: StandIn) -> None:
    result = run("optimize", "m", "--rounds", "1", "--write", "best", "--json")
    document = json.loads(result.stdout)
    assert (document["model"], document["best"], document["rounds"]) == ("m", "Q8_0", 1)
    source, copy = document["formats"][:2]
    assert (source["format"], source["is_source"], source["loss_percent"]) == ("Q4_1", True, 0.0)
    assert (copy["prefill_tokens_per_s"], copy["decode_tokens_per_s"]["8"]) == (200, 160)
    assert copy["loss_percent"] == pytest.approx(0.1, abs=0.01)
    assert len(copy["samples"]) == 1
    assert document["written"]["path"] == str(folder / "m.Q8_0.gguf")
    assert document["written"]["was_there"] is False


def test_a_format_that_could_not_be_made_has_no_figures(folder: Path, stand_in: StandIn) -> None:
    stand_in.faults["Size", "Q6_K"] = ModelError("no")
    result = run("optimize", "m", "--format", "Q8_0", "--format", "Q6_K", "--json")
    row = json.loads(result.stdout)["formats"][2]
    assert row == {"format": "Q6_K", "is_source": False, "size_bytes": None, "error": "no"}


def test_a_model_that_is_not_here(folder: Path) -> None:
    result = run("optimize", "gpt-9")
    assert (result.exit_code, "no model 'gpt-9'" in result.stderr) == (1, True)


@pytest.mark.parametrize("more", [(), ("--write", "best")])
def test_nothing_to_do_is_a_usage_error(folder: Path, more: tuple[str, ...]) -> None:
    result = run("optimize", "m", "--rounds", "0", *more)
    assert result.exit_code == 2
    assert "say with --write which format" in result.stderr


def test_help_says_what_each_format_loses() -> None:
    text = " ".join(run("optimize", "--help").stdout.split())
    assert "Q8_0: 8 bits: next to nothing" in text
