from pathlib import Path

import pytest
from click.testing import CliRunner

from perf.cli.bench_speculation import speculation
from perf.record.result_files import read_result
from perf.record.result_schema import Mode

ROW = '{"question_id": 1, "category": "lists", "turns": ["Repeat: one two three, one two three."]}\n'


@pytest.fixture
def items(tmp_path: Path) -> Path:
    (tmp_path / "items.jsonl").write_text(ROW)
    return tmp_path / "items.jsonl"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--strategies", "guess"], 2, "no such strategy: guess"),
        (["--strategies", "plain"], 2, "nothing to do"),
        (["--streams", ""], 2, "nothing to do"),
        (["--categories", "poems"], 1, "no question of category poems"),
    ],
)
def test_a_wrong_option_is_named(items: Path, arguments: list[str], code: int, message: str) -> None:
    result = CliRunner().invoke(speculation, ["--items", str(items), *arguments])
    assert result.exit_code == code
    assert message in result.output


@pytest.mark.slow
@pytest.mark.usefixtures("own_lock")
def test_a_short_run(shallow_model_path: Path, items: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    result = CliRunner().invoke(
        speculation,
        [
            *("--model", str(shallow_model_path), "--items", str(items), "--streams", "1", "--rounds", "1"),
            *("--max-tokens", "16", "--cells", "64", "--context-length", "512", "--out", str(out)),
        ],
    )
    assert result.exit_code == 0, result.output
    found = read_result(out)
    assert found.mode is Mode.SPECULATION
    figures = {(each.name, each.group): each.value for each in found.summary}
    assert figures["step_price", "1 rows"] == 1
    assert figures["speedup", "lists/1/ngram"]
    assert figures["parted_answers", "ngram"] is not None
