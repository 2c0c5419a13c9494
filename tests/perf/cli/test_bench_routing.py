"""`genai-xapp bench routing` on its command line, with questions of our own."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from perf.cli.bench_routing import routing
from perf.record.result_files import read_result
from perf.record.result_schema import Status
from perf.routing.routing_samples import Answered, Stated, decode

NUM_QUESTIONS = 8
ROWS = [
    {"id": f"q{number}", "question": f"Which is {number}?", "choices": [str(number), "none"], "answer": 0}
    for number in range(NUM_QUESTIONS)
]


def written(folder: Path) -> str:
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(path)


def test_a_wrong_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text('{"id": "a", "question": "Which?", "choices": ["a", "b"], "answer": 2}\n')
    found = CliRunner().invoke(routing, ["--data", str(path), "--little", "a", "--big", "b"])
    assert found.exit_code == 1
    assert "questions.jsonl, line 1" in found.output


@pytest.mark.slow
def test_two_models_are_asked_and_compared(
    tmp_path: Path, default_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAPP_BACKEND", "fake")
    big = tmp_path / "big.gguf"
    big.symlink_to(default_model_path)
    out = tmp_path / "result.json"
    arguments = ["--data", written(tmp_path), "--little", str(default_model_path), "--big", str(big)]
    found = CliRunner().invoke(routing, [*arguments, "--out", str(out)], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    result = read_result(out)
    assert result.status is Status.COMPLETE
    samples = [decode(row) for row in result.samples]
    assert sum(isinstance(sample, Answered) for sample in samples) == 2 * NUM_QUESTIONS
    assert len(samples) == 6 * NUM_QUESTIONS
    assert sum(isinstance(sample, Stated) for sample in samples) == NUM_QUESTIONS
    groups = {figure.group for figure in result.summary}
    assert {"little", "big", "random", "oracle", "least_token", "difficulty", "rating"} <= groups
    assert out.with_suffix(".svg").read_bytes().startswith(b"<?xml")
    assert out.with_suffix(".csv").read_text().startswith("signal,share_sent,accuracy\n")
