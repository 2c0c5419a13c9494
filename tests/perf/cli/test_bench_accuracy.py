"""`genai-xapp bench accuracy` on its command line, with questions of our own."""

import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from perf.accuracy.accuracy_samples import Item, decode
from perf.cli.bench_accuracy import accuracy
from perf.record.result_files import read_result
from perf.record.result_schema import Status
from tests.live import LiveServer

SENTENCES = [
    {
        "qID": f"w{number}",
        "sentence": sentence,
        "option1": "bag",
        "option2": "stone",
        "answer": answer,
    }
    for number, (sentence, answer) in enumerate(
        [
            ("The stone did not fit into the bag because the _ was too small.", "1"),
            ("The stone did not fit into the bag because the _ was too big.", "2"),
            ("_ is a word.", "1"),
        ]
    )
]
CHOICES = [
    {
        "id": "c1",
        "difficulty": "easy",
        "question": "Which is a colour?",
        "choices": ["red", "seven"],
        "answer": 0,
    },
    {"id": "c2", "difficulty": "hard", "question": "Which is not?", "choices": ["red", "red"], "answer": 0},
    {"id": "c3", "difficulty": "hard", "question": "Long " * 9000, "choices": ["a", "b"], "answer": 0},
]


def written(folder: Path, rows: Sequence[Mapping[str, object]]) -> str:
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_bad_data_is_one_line(tmp_path: Path) -> None:
    bad = written(
        tmp_path, [{"qID": "w", "sentence": "_ and _", "option1": "a", "option2": "b", "answer": "1"}]
    )
    found = CliRunner().invoke(accuracy, ["--task", "winogrande", "--data", bad])
    assert found.exit_code == 1
    assert "questions.jsonl, line 1: the sentence has 2 blanks" in found.output


def test_a_set_that_must_be_given_says_which_rows(tmp_path: Path) -> None:
    found = CliRunner().invoke(accuracy, ["--task", "winogrande"])
    assert found.exit_code == 1
    assert "give --data FILE" in found.output


def test_nobody_listening_is_one_line(tmp_path: Path) -> None:
    data = written(tmp_path, SENTENCES)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        found = CliRunner().invoke(accuracy, ["--task", "winogrande", "--data", data, "--target", address])
    assert found.exit_code == 1
    assert found.output.startswith("Error: ")
    assert address in found.output


@pytest.mark.slow
def test_winogrande_on_a_server_of_its_own(tmp_path: Path, default_model_path: Path) -> None:
    out, data = tmp_path / "a.json", written(tmp_path, SENTENCES)
    args = ["--task", "winogrande", "--data", data, "--model", str(default_model_path), "--out", str(out)]
    found = CliRunner().invoke(accuracy, args)
    assert found.exit_code == 0, found.output
    result = read_result(out)
    items = [sample for row in result.samples if isinstance(sample := decode(row), Item)]
    assert (result.status, [item.id for item in items]) == (Status.COMPLETE, ["w0", "w1", "w2"])
    assert [item.num_compared_tokens for item in items] == [[4, 4], [4, 4], [4, 4]]
    assert all(value < 0 for item in items for value in item.compared)
    assert result.targets[0].model_digest.startswith("sha256:")


@pytest.mark.slow
def test_multiple_choice_on_a_node_that_is_serving(tmp_path: Path, live_model_server: LiveServer) -> None:
    out, data = tmp_path / "a.json", written(tmp_path, CHOICES)
    args = ["--task", "oran_bench", "--by", "text", "--data", data, "--target", live_model_server.target]
    found = CliRunner().invoke(accuracy, [*args, "--in-flight", "3", "--out", str(out)])
    assert found.exit_code == 0, found.output
    figures = {figure.name: figure.value for figure in read_result(out).summary}
    assert (figures["num_items"], figures["num_skipped_items"]) == (2, 1)
    assert figures["accuracy.category.hard"] == 1
    assert figures["accuracy"] == figures["accuracy_per_byte"]
