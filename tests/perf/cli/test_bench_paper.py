"""`genai-xapp bench paper` on its command line, with dialogues of our own."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from perf.cli.bench_paper import SAMPLE, _dialogues, paper
from perf.data.dialogues import SHIPPED
from perf.data.read_rows import DataError
from perf.paper.paper_samples import Started, Turn, decode
from perf.record.journal import Journal, journal_path
from perf.record.result_files import read_result
from perf.record.result_schema import Status

QUESTIONS = (["Name a colour.", "And another."], ["What is a cell?", "Why?"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "dialogues.jsonl"
    rows = [
        {"conversation_id": str(number), "turns": [{"role": "user", "text": text} for text in texts]}
        for number, texts in enumerate(QUESTIONS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def broken(tmp_path: Path) -> str:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF, but no more")
    return str(path)


def test_bad_data_is_one_line(tmp_path: Path, broken: str) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"conversation_id": "a"}\n')
    found = CliRunner().invoke(paper, ["--model", broken, "--data", str(bad)])
    assert found.exit_code == 1
    assert "bad.jsonl, line 1" in found.output


def test_without_the_hub_it_names_the_dialogues_that_ship(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(name: str) -> Path:
        raise DataError(name, "cannot be fetched from the hub; give --data FILE")

    monkeypatch.setattr("perf.data.hub.fetch", unreachable)
    found = CliRunner().invoke(paper, ["--model", broken])
    assert (found.exit_code, "give --data FILE, or --data sample" in found.output) == (1, True)


def test_sample_means_what_ships_unless_there_is_such_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _dialogues(SAMPLE, 2)[0] == SHIPPED
    SAMPLE.write_text("")
    with pytest.raises(click.ClickException, match="sample: empty"):
        _dialogues(SAMPLE, 2)


def test_a_model_given_twice_is_refused(data: Path, broken: str) -> None:
    found = CliRunner().invoke(paper, ["--model", broken, "--model", broken, "--data", str(data)])
    assert found.exit_code == 2
    assert "the same model twice" in found.output


@pytest.mark.slow
def test_a_model_that_does_not_load_is_said_and_no_result_is_written(
    data: Path, tmp_path: Path, broken: str
) -> None:
    out = tmp_path / "paper.json"
    found = CliRunner().invoke(paper, ["--model", broken, "--data", str(data), "--out", str(out)])
    assert found.exit_code == 1
    assert "broken: 4 turns not played" in found.output
    assert not out.exists()


@pytest.mark.slow
def test_interrupted_it_says_how_to_go_on_and_does(
    data: Path, tmp_path: Path, shallow_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "paper.json"
    command = [
        "--model",
        str(shallow_model_path),
        "--data",
        str(data),
        "--max-tokens",
        "20",
        "--out",
        str(out),
    ]
    with monkeypatch.context() as patch:
        _interrupt_after(patch, 4)
        found = CliRunner().invoke(paper, command)
    assert found.exit_code == 130
    assert "give the same command again to go on" in found.output
    assert len(journal_path(out).read_text().splitlines()) == 1 + 4
    found = CliRunner().invoke(paper, command)
    assert found.exit_code == 0, found.output
    _check(out)


@pytest.mark.slow
def test_a_base_model_is_measured_on_plain_text(data: Path, tmp_path: Path, shallow_model_path: Path) -> None:
    base = tmp_path / "base.gguf"
    base.write_bytes(
        shallow_model_path.read_bytes().replace(b"tokenizer.chat_template", b"tokenizer.no_template__", 1)
    )
    out = tmp_path / "paper.json"
    command = ["--model", str(base), "--data", str(data), "--max-tokens", "8", "--out", str(out)]
    found = CliRunner().invoke(paper, command)
    assert found.exit_code == 0, found.output
    result = read_result(out)
    assert "base has no chat template: it continues the conversation as plain text." in result.notes
    assert {figure.name: figure.value for figure in result.summary}["num_turns"] == 4


def _interrupt_after(patch: pytest.MonkeyPatch, count: int) -> None:
    add = Journal.add

    def interrupting(self: Journal, sample: dict[str, Any]) -> None:
        add(self, sample)
        if len(self.samples) == count:
            raise KeyboardInterrupt

    patch.setattr(Journal, "add", interrupting)


def _check(out: Path) -> None:
    result = read_result(out)
    assert result.status is Status.COMPLETE
    samples = [decode(row) for row in result.samples]
    turns = [sample for sample in samples if isinstance(sample, Turn)]
    assert [(turn.dialogue, turn.turn) for turn in turns] == [("0", 0), ("0", 1), ("1", 0), ("1", 1)]
    assert len([sample for sample in samples if isinstance(sample, Started)]) == 2
    assert all(0 < turn.num_completion_tokens <= 20 and turn.reading.cpu_s > 0 for turn in turns)
    figures = {figure.name: figure for figure in result.summary}
    assert (figures["decode_tokens_per_second"].value or 0) > 0
    assert (figures["peak_pss_bytes"].value or 0) > 50e6
    assert "resumed: 4 samples are of an earlier run" in result.notes
    assert not journal_path(out).exists()
