import json
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.backend.optimize.stand_in import SOURCE, StandIn, install
from tests.models.gguf_file import LLAMA, gguf_bytes
from xapp.backend.optimize import jobs
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
    assert document["written"]["format"] == "Q8_0"
    assert document["written"]["origin"] == document["digest"]
    assert document["written"]["tool"].startswith("genai-xapp ")
    assert document["source_is_rounded"] is True


def test_a_format_that_could_not_be_made_has_no_figures(folder: Path, stand_in: StandIn) -> None:
    stand_in.faults["Size", "Q6_K"] = ModelError("no")
    result = run("optimize", "m", "--format", "Q8_0", "--format", "Q6_K", "--json")
    row = json.loads(result.stdout)["formats"][2]
    assert row == {"format": "Q6_K", "is_source": False, "size_bytes": None, "error": "no"}


def test_a_model_that_is_not_here(folder: Path) -> None:
    result = run("optimize", "gpt-9")
    assert (result.exit_code, "no model 'gpt-9'" in result.stderr) == (1, True)


WINOGRANDE = "".join(
    json.dumps({"qID": f"{n}", "sentence": "A _ ran.", "option1": "dog", "option2": "cat", "answer": "2"})
    + "\n"
    for n in range(40)
)


def test_winogrande_is_filled_in_by_each(folder: Path, stand_in: StandIn) -> None:
    file = folder.parent / "questions.jsonl"
    file.write_text(WINOGRANDE)
    arguments = ("optimize", "m", "--rounds", "1", "--winogrande", str(file), "--items", "20")
    lines = run(*arguments).stdout.splitlines()
    assert lines[1].split()[-1] == "20/20"
    assert lines[2].split()[-2:] == ["(-1", "+0)"]
    asked = next(job for job in stand_in.asked if isinstance(job, jobs.Choose))
    assert asked.blanks[0] == jobs.Blank(("A dog", "A cat"), " ran.", 1)
    document = json.loads(run(*arguments, "--json").stdout)
    assert (document["formats"][1]["winogrande_right"], document["formats"][1]["winogrande_items"]) == (
        19,
        20,
    )
    assert document["best"] == "Q8_0"


def test_a_bad_line_of_the_questions_is_named(folder: Path, stand_in: StandIn) -> None:
    file = folder.parent / "questions.jsonl"
    file.write_text(WINOGRANDE + "{}\n")
    result = run("optimize", "m", "--winogrande", str(file))
    assert (result.exit_code, "questions.jsonl, line 41" in result.stderr) == (1, True)


def test_a_source_that_is_rounded_already_is_said(folder: Path, stand_in: StandIn) -> None:
    assert "the source is Q4_1: what that rounding lost does not come back" in run("optimize", "m").stderr
    (folder / "m.gguf").write_bytes(gguf_bytes(LLAMA | {"general.file_type": 1}))
    assert "does not come back" not in run("optimize", "m").stderr


def test_a_model_goes_by_its_path_too(folder: Path, stand_in: StandIn) -> None:
    elsewhere = folder.parent / "elsewhere" / "x.gguf"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(SOURCE)
    result = run("optimize", str(elsewhere), "--rounds", "0", "--write", "Q8_0")
    copy = elsewhere.with_name("x.Q8_0.gguf")
    assert f"genai-xapp serve --model {copy}" in result.stdout
    assert run("verify", str(copy)).stdout.startswith("ok")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_nothing(folder: Path, stand_in: StandIn, number: int) -> None:
    def ended(job: jobs.Job) -> None:
        if isinstance(job, jobs.Quantize):
            signal.raise_signal(number)

    stand_in.before = ended
    assert run("optimize", "m", "--write", "best").exit_code == 1
    assert [path.name for path in folder.iterdir()] == ["m.gguf"]


def test_nohup_is_honoured(folder: Path, stand_in: StandIn) -> None:
    def closed(job: jobs.Job) -> None:
        signal.raise_signal(signal.SIGHUP)

    stand_in.before = closed
    usual = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run("optimize", "m", "--rounds", "1").exit_code == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, usual)


ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = [
    line.split("#")[0].split()[2:]
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for line in page.read_text().splitlines()
    if line.startswith("genai-xapp models optimize ")
]


@pytest.mark.parametrize("arguments", DOCUMENTED, ids=" ".join)
def test_what_the_documentation_shows_runs(folder: Path, stand_in: StandIn, arguments: list[str]) -> None:
    (folder / "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf").write_bytes(SOURCE)
    (folder / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(SOURCE)
    questions = folder.parent / "winogrande_dev.jsonl"
    questions.write_text(WINOGRANDE)
    given = [str(questions) if each == questions.name else each for each in arguments]
    assert run(*given).exit_code == 0


def test_the_documentation_shows_it() -> None:
    assert DOCUMENTED


@pytest.mark.parametrize("more", [(), ("--write", "best")])
def test_nothing_to_do_is_a_usage_error(folder: Path, more: tuple[str, ...]) -> None:
    result = run("optimize", "m", "--rounds", "0", *more)
    assert result.exit_code == 2
    assert "say with --write which format" in result.stderr


def test_sentences_that_nobody_asks_are_a_usage_error(folder: Path, stand_in: StandIn) -> None:
    file = folder.parent / "questions.jsonl"
    file.write_text(WINOGRANDE)
    result = run("optimize", "m", "--rounds", "0", "--write", "Q8_0", "--winogrande", str(file))
    assert (result.exit_code, "leave out --winogrande" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--rounds", "21"),
        ("--rounds", "-1"),
        ("--max-loss", "-0.1"),
        ("--max-loss", "101"),
        ("--max-loss", "nan"),
        ("--items", "0"),
        ("--format", "Q1_0"),
        ("--write", "fastest"),
        ("--winogrande", "/not/here"),
    ],
)
def test_a_value_out_of_range_names_its_option(folder: Path, option: str, value: str) -> None:
    result = run("optimize", "m", option, value)
    assert (result.exit_code, f"Invalid value for '{option}'" in result.stderr) == (2, True)


def test_help_says_what_each_format_loses() -> None:
    text = " ".join(run("optimize", "--help").stdout.split())
    assert "Q8_0: 8 bits: next to nothing" in text
